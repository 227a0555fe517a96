import { readFile } from 'node:fs/promises';
import { PATHS, type WritePath } from './typeorm-write-table.paths.js';

const SEEN = {
  subscriber: 'subscriber, triggers',
  trigger: 'triggers only',
  nobody: 'nothing to see',
} as const;

function when({ sees, group, late }: WritePath): string {
  if (sees === 'nobody') return '';
  if (sees === 'subscriber') return 'before the write resolves';
  if (late) return 'by a relay, after `writerLead`';
  return group === 'others' ? 'by a relay, at its NOTIFY' : 'by a relay, at once';
}

/** One line of the table in docs/typeorm.md, its cells without the padding. */
function line(path: WritePath): string {
  return `| ${[path.name, SEEN[path.sees], path.goes, when(path)].join(' | ')} |`.replaceAll('|  |', '| |');
}

describe('the table of write paths in docs/typeorm.md', () => {
  it('has at least thirty', () => {
    expect(PATHS.length).toBeGreaterThanOrEqual(30);
    expect(new Set(PATHS.map((path) => path.group + path.name)).size).toBe(PATHS.length);
  });

  it('names every path that is tested, who sees it, and what goes', async () => {
    const docs = await readFile(new URL('../../docs/typeorm.md', import.meta.url), 'utf8');
    const lines = docs.split('\n').map((one) => one.replaceAll(/ +/g, ' ').trim());
    const groups = [...new Set(PATHS.map((path) => path.group))];
    const expected = groups.flatMap((group) => [
      `**${group}**`,
      ...PATHS.filter((path) => path.group === group).map(line),
    ]);
    if (process.env['STRATA_PRINT_TABLE']) console.log(expected.join('\n'));
    const from = lines.indexOf(expected[0]!);
    const table = lines
      .slice(from)
      .filter((one) => one.startsWith('**') || /^\| [^-W]/.test(one) || /^\| W[^r]/.test(one));
    expect(table.slice(0, expected.length)).toEqual(expected);
  });
});
