/**
 * Does a statement only read? Anything but a plain SELECT counts as a write, and so does a SELECT that locks rows or
 * calls a function that is not known here: what it does cannot be seen. Wrong in one direction only: a transaction that
 * seems to have written reads the database instead of the cache.
 */
export function onlyReads(sql: string): boolean {
  // Where strings end is then a matter of settings.
  if (sql.includes('\\')) return false;
  const bare = sql.replace(QUOTED, (found) =>
    found.startsWith('"') ? '"' : found.startsWith("'") ? "''" : ' ',
  );
  if (!/^[\s(]*(?:select|with|values|table)\b/i.test(bare) || WRITES.test(bare)) return false;
  for (const [, name] of bare.matchAll(CALL)) if (!KNOWN.has(name!.toLowerCase())) return false;
  return true;
}

/** Strings, quoted names and comments: what is in them is no SQL. An identifier leaves a quote, so that its call is seen. */
const QUOTED = /'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\$(\w*)\$[\s\S]*?\$\1\$|--[^\n]*|\/\*[\s\S]*?\*\//g;

const WRITES =
  /\b(?:insert|update|delete|merge|into|truncate|copy|call|do|create|alter|drop)\b|\bfor\s+(?:no\s+key\s+update|key\s+share|share)\b|;\s*\S/i;

/** A word before a bracket; a quoted name counts as unknown. */
const CALL = /([a-z_][\w$.]*|")\s*\(/gi;

/** Words of SQL that stand before a bracket, and functions that have no effect. */
const KNOWN = new Set(
  (
    'select distinct on from join lateral where and or not in any all some exists as by over filter group having order union ' +
    'intersect except using values when then else case between like ilike similar to limit offset with recursive ' +
    'materialized partition array row cast ' +
    'count sum avg min max coalesce nullif greatest least lower upper length char_length trim substring substr concat ' +
    'concat_ws replace abs round ceil floor now date_trunc date_part extract to_char to_date to_timestamp ' +
    'string_agg array_agg json_agg jsonb_agg json_build_object jsonb_build_object row_number rank dense_rank lag lead ' +
    'unnest generate_series similarity numeric decimal varchar char timestamp time interval'
  ).split(' '),
);
