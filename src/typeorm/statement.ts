/**
 * What a statement does to its transaction. TypeORM's events do not tell a savepoint from a transaction, a COMMIT
 * that the server turned into a ROLLBACK, or a host's own `query('BEGIN')`; the statements do.
 */
export type Statement =
  | { kind: 'begin' }
  /** `chained`: another transaction follows at once (AND CHAIN). */
  | { kind: 'commit' | 'rollback'; chained: boolean }
  /** Two-phase commit: the transaction is no longer this connection's, and is ended by its name, from any. */
  | { kind: 'prepare' | 'commit-prepared' | 'rollback-prepared'; name: string }
  | { kind: 'savepoint' | 'rollback-to' | 'release'; name: string }
  /** `replaces`: it may change rows that exist (ON CONFLICT DO UPDATE, ON DUPLICATE KEY). */
  | { kind: 'insert'; replaces: boolean }
  /** `reads`: it begins like one that only reads; it may call a function that does not. */
  | { kind: 'other'; reads: boolean };

const FIRST_WORD = /^(?:\s|--[^\n]*\n|\/\*[\s\S]*?\*\/)*([a-z]+)/i;
const SAVEPOINT = /^\W*savepoint\s+("[^"]+"|[\w$]+)/i;
const ROLLBACK_TO = /^\W*rollback\s+(?:work\s+|transaction\s+)?to\s+(?:savepoint\s+)?("[^"]+"|[\w$]+)/i;
const RELEASE = /^\W*release\s+(?:savepoint\s+)?("[^"]+"|[\w$]+)/i;
const REPLACES = /\b(?:do\s+update|on\s+duplicate)\b/i;
const CHAINED = /\band\s+chain\b/i;
const PREPARED = /^\W*(?:prepare\s+transaction|(?:commit|rollback)\s+prepared)\s+'((?:[^']|'')*)'/i;
const OTHER: Statement = { kind: 'other', reads: false };
const READS: Statement = { kind: 'other', reads: true };

export function statementOf(sql: string): Statement {
  switch (FIRST_WORD.exec(sql)?.[1]?.toLowerCase()) {
    case 'insert':
      return { kind: 'insert', replaces: REPLACES.test(sql) };
    case 'start':
    case 'begin':
      return { kind: 'begin' };
    case 'commit': {
      const prepared = PREPARED.exec(sql);
      return prepared ? named('commit-prepared', prepared) : { kind: 'commit', chained: CHAINED.test(sql) };
    }
    case 'end':
      return { kind: 'commit', chained: CHAINED.test(sql) };
    case 'prepare':
      return named('prepare', PREPARED.exec(sql));
    case 'select':
    case 'show':
    case 'set':
      return READS;
    case 'savepoint':
      return named('savepoint', SAVEPOINT.exec(sql));
    case 'release':
      return named('release', RELEASE.exec(sql));
    case 'rollback':
    case 'abort': {
      const to = ROLLBACK_TO.exec(sql);
      if (to) return named('rollback-to', to);
      const prepared = PREPARED.exec(sql);
      if (prepared) return named('rollback-prepared', prepared);
      return { kind: 'rollback', chained: CHAINED.test(sql) };
    }
    default:
      return OTHER;
  }
}

type Named = Extract<Statement, { name: string }>['kind'];

function named(kind: Named, match: RegExpExecArray | null): Statement {
  const name = match?.[1];
  if (name === undefined) return OTHER;
  if (kind.includes('prepare')) return { kind, name };
  // Unquoted names are folded by the server.
  return { kind, name: name.startsWith('"') ? name.slice(1, -1) : name.toLowerCase() };
}
