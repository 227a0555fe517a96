/** One piece of an SQL text; what is in parentheses is one piece too. */
export type SqlNode =
  /** `quoted`: an identifier in double quotes, as it is written; otherwise a word, in lower case. */
  | { kind: 'name'; text: string; quoted: boolean }
  | { kind: 'number' | 'string'; text: string }
  /** `$3`: the third. */
  | { kind: 'parameter'; index: number }
  | { kind: 'sign'; text: string }
  | { kind: 'group'; nodes: SqlNode[] };

const WORD = /[\p{L}_][\p{L}\p{N}_$]*/uy;
const NUMBER = /\d+(?:\.\d+)?(?:e[+-]?\d+)?/iy;
const PARAMETER = /\$(\d+)/y;
const DOLLAR_QUOTE = /\$([\p{L}_][\p{L}\p{N}_]*)?\$/uy;
const SPACE = /(?:\s+|--[^\n]*)+/y;
const SIGN = /::|<>|!=|<=|>=|\|\||->>|->|[-+*/<>=~!@#%^&|`?.,;:[\]]/y;

/** Takes an SQL text of PostgreSQL apart. Null: it does not close what it opens, or holds what is not known here. */
export function parseSql(sql: string): SqlNode[] | null {
  const open: SqlNode[][] = [[]];
  let at = 0;
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(sql);
    if (found) at = pattern.lastIndex;
    return found;
  };
  while (at < sql.length) {
    const level = open.at(-1)!;
    const first = sql[at]!;
    if (match(SPACE)) continue;
    if (sql.startsWith('/*', at)) {
      const end = commentEnd(sql, at);
      if (end < 0) return null;
      at = end;
    } else if (first === '(') {
      const nodes: SqlNode[] = [];
      level.push({ kind: 'group', nodes });
      open.push(nodes);
      at++;
    } else if (first === ')') {
      if (open.length === 1) return null;
      open.pop();
      at++;
    } else if (first === '"' || first === "'") {
      const end = quoteEnd(sql, at, first, false);
      if (end < 0) return null;
      const text = sql.slice(at + 1, end - 1).replaceAll(first + first, first);
      level.push(first === '"' ? { kind: 'name', text, quoted: true } : { kind: 'string', text });
      at = end;
    } else if (/[eE]/.test(first) && sql[at + 1] === "'") {
      const end = quoteEnd(sql, at + 1, "'", true);
      if (end < 0) return null;
      // What it stands for is of no interest; it must only not be taken for another value.
      level.push({ kind: 'sign', text: 'E' });
      at = end;
    } else {
      const found = match(WORD);
      if (found) {
        level.push({ kind: 'name', text: found[0].toLowerCase(), quoted: false });
        continue;
      }
      const number = match(NUMBER);
      if (number) {
        level.push({ kind: 'number', text: number[0] });
        continue;
      }
      const parameter = match(PARAMETER);
      if (parameter) {
        level.push({ kind: 'parameter', index: Number(parameter[1]) });
        continue;
      }
      const dollars = match(DOLLAR_QUOTE);
      if (dollars) {
        const end = sql.indexOf(dollars[0], at);
        if (end < 0) return null;
        level.push({ kind: 'string', text: sql.slice(at, end) });
        at = end + dollars[0].length;
        continue;
      }
      const sign = match(SIGN);
      if (!sign) return null;
      level.push({ kind: 'sign', text: sign[0] });
    }
  }
  return open.length === 1 ? open[0]! : null;
}

/** Just behind the closing quote; -1 when there is none. */
function quoteEnd(sql: string, start: number, quote: string, escapes: boolean): number {
  for (let at = start + 1; at < sql.length; at++) {
    if (escapes && sql[at] === '\\') at++;
    else if (sql[at] === quote) {
      if (sql[at + 1] !== quote) return at + 1;
      at++;
    }
  }
  return -1;
}

/** Comments nest in PostgreSQL. */
function commentEnd(sql: string, start: number): number {
  let depth = 0;
  for (let at = start; at < sql.length; at++) {
    if (sql.startsWith('/*', at)) depth++;
    else if (sql.startsWith('*/', at)) depth--;
    else continue;
    at++;
    if (depth === 0) return at + 1;
  }
  return -1;
}

export function isWord(node: SqlNode | undefined, ...words: readonly string[]): boolean {
  return node?.kind === 'name' && !node.quoted && words.includes(node.text);
}

export function isSign(node: SqlNode | undefined, text: string): boolean {
  return node?.kind === 'sign' && node.text === text;
}
