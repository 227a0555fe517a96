/** Tables for people. */

export function figure(value) {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString('en-US');
  if (size >= 100) return value.toFixed(0);
  return size >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** Rows of equal columns; the first one to the left, the others to the right. */
export function table(head, rows) {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column].length)));
  const line = (row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
      .join('  ')
      .trimEnd();
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

export function rowsTable(suite, rows) {
  const lines = [`\n## ${suite}`];
  for (const path of new Set(rows.map((row) => row.path))) {
    const own = rows.filter((row) => row.path === path);
    const cells = own
      .toSorted((a, b) => a.median - b.median)
      .map(({ contender, median, min, max }) => [contender, figure(median), figure(min), figure(max)]);
    lines.push('', table([`${path} (${own[0].unit})`, 'median', 'min', 'max'], cells));
  }
  return lines.join('\n');
}

export function targetsTable(targets, title = 'Targets') {
  const cells = targets.map(({ path, measured, target, met }) => [
    path,
    figure(measured),
    target,
    met ? 'met' : 'MISSED',
  ]);
  return `\n## ${title}\n\n${table(['', 'measured', 'target', ''], cells)}`;
}
