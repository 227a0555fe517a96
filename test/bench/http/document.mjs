/**
 * Writes the figures of a run into docs/trading-performance.md:
 * `npm run bench -- --suite http --json result.json && node test/bench/http/document.mjs result.json`
 */
import { readFile, writeFile } from 'node:fs/promises';
import { format, resolveConfig } from 'prettier';
import { figure } from '../harness/report.mjs';

const PAGE = new URL('../../../docs/trading-performance.md', import.meta.url);
/** Columns of the first table. */
const COLUMNS = {
  'requests/s': 'reads: requests per second',
  'p50, ms': 'reads, 32 connections: latency, p50',
  'p99, ms': 'reads, 32 connections: latency, p99',
  'p50 alone, ms': 'reads, 1 connection: latency, p50',
  'p99 alone, ms': 'reads, 1 connection: latency, p99',
  'processor, us': 'reads: processor time of the server per request',
  'statements per request': 'reads: database statements per request',
  'requests/s, 2 % writes': '2 % writes: requests per second',
  'p99, 2 % writes, ms': '2 % writes, 32 connections: latency, p99',
  'statements per request, 2 % writes': '2 % writes: database statements per request',
};

const { versions, rows, targets } = JSON.parse(await readFile(process.argv[2], 'utf8'));
const http = rows.filter(({ suite }) => suite === 'http');
const page = await readFile(PAGE, 'utf8');
const written = replace(replace(page, 'figures', figures()), 'claims', claims());
await writeFile(
  PAGE,
  await format(written, { ...(await resolveConfig(PAGE)), filepath: 'trading-performance.md' }),
);

function figures() {
  const speed = (name) =>
    http.find((row) => row.path === COLUMNS['requests/s'] && row.contender === name).median;
  const contenders = [...new Set(http.filter(({ path }) => path === COLUMNS['requests/s']).map((row) => row.contender))]; // prettier-ignore
  const cell = (path, contender) => {
    const row = http.find((one) => one.path === path && one.contender === contender);
    return row === undefined ? '' : `${figure(row.median)} (${figure(row.min)}-${figure(row.max)})`;
  };
  const lines = contenders
    .toSorted((a, b) => speed(b) - speed(a))
    .map((name) => [name, ...Object.values(COLUMNS).map((path) => cell(path, name))]);
  return `${table(['', ...Object.keys(COLUMNS)], lines)}\n\nNode ${versions.node}, ${versions.platform}.`;
}

function claims() {
  const lines = targets
    .filter(({ why }) => why !== undefined)
    .map(({ path, measured, target, met, why }) => [
      path,
      figure(measured),
      target,
      met ? 'yes' : '**no**',
      why,
    ]);
  return table(['claim', 'measured', 'kept when', 'kept', ''], lines);
}

function table(head, lines) {
  return [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function replace(text, name, content) {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`];
  const parts = [text.indexOf(begin), text.indexOf(end)];
  if (parts.includes(-1)) throw new Error(`docs/trading-performance.md has no ${begin} ... ${end}`);
  return `${text.slice(0, parts[0])}${begin}\n\n${content}\n\n${text.slice(parts[1])}`;
}
