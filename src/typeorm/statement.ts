/**
 * What a statement does to its transaction. TypeORM's events do not tell a savepoint from a transaction, a COMMIT
 * that the server turned into a ROLLBACK, or a host's own `query('BEGIN')`; the statements do.
 */
export type Statement =
  | { kind: 'begin' | 'commit' | 'rollback' }
  | { kind: 'savepoint' | 'rollback-to' | 'release'; name: string }
  /** `replaces`: it may change rows that exist (ON CONFLICT DO UPDATE, ON DUPLICATE KEY). */
  | { kind: 'insert'; replaces: boolean }
  | { kind: 'other' };

const FIRST_WORD = /^(?:\s|--[^\n]*\n|\/\*[\s\S]*?\*\/)*([a-z]+)/i;
const SAVEPOINT = /^\W*savepoint\s+("[^"]+"|[\w$]+)/i;
const ROLLBACK_TO = /^\W*rollback\s+(?:work\s+|transaction\s+)?to\s+(?:savepoint\s+)?("[^"]+"|[\w$]+)/i;
const RELEASE = /^\W*release\s+(?:savepoint\s+)?("[^"]+"|[\w$]+)/i;
const REPLACES = /\b(?:do\s+update|on\s+duplicate)\b/i;
const OTHER: Statement = { kind: 'other' };

export function statementOf(sql: string): Statement {
  switch (FIRST_WORD.exec(sql)?.[1]?.toLowerCase()) {
    case 'insert':
      return { kind: 'insert', replaces: REPLACES.test(sql) };
    case 'start':
    case 'begin':
      return { kind: 'begin' };
    case 'commit':
    case 'end':
      return { kind: 'commit' };
    case 'savepoint':
      return named('savepoint', SAVEPOINT.exec(sql));
    case 'release':
      return named('release', RELEASE.exec(sql));
    case 'rollback':
    case 'abort': {
      const to = ROLLBACK_TO.exec(sql);
      return to ? named('rollback-to', to) : { kind: 'rollback' };
    }
    default:
      return OTHER;
  }
}

function named(kind: 'savepoint' | 'rollback-to' | 'release', match: RegExpExecArray | null): Statement {
  const name = match?.[1];
  if (name === undefined) return OTHER;
  // Unquoted names are folded by the server.
  return { kind, name: name.startsWith('"') ? name.slice(1, -1) : name.toLowerCase() };
}
