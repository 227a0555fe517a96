import { isSign, isWord, parseSql, type SqlNode } from './sql-tokens.js';
import { NO_COLUMNS, NO_FUNCTIONS, PURE_FUNCTIONS } from './sql-words.js';

/** A value that a column is compared with. */
export type Constant =
  | { kind: 'number' | 'string'; text: string }
  | { kind: 'boolean'; value: boolean }
  | { kind: 'parameter'; index: number };

/** One mention of a table in a SELECT, by the names of the database. */
export interface TableUse {
  /** `schema.table`, or `table`. */
  readonly path: string;
  /** Columns on whose values it depends which rows are read, and in which order; and those shown without the row's key. */
  readonly used: ReadonlySet<string>;
  /** Any column may matter. */
  readonly usesAll: boolean;
  /** Only rows where these columns have one of these values can matter. */
  readonly equals: ReadonlyMap<string, readonly Constant[]>;
  /** Joined by these: own column to a column of another table. */
  readonly joinedBy: readonly { column: string; path: string; other: string }[];
  /** Column to the name it has in the answer; empty where rows are not shown as they are. */
  readonly shown: ReadonlyMap<string, string>;
}

export type SelectAnalysis = { tables: readonly TableUse[] } | { problem: string };

/** Column names of a table, by its path; undefined: not known. */
export type ColumnsOf = (path: string) => ReadonlySet<string> | undefined;

class NotUnderstood extends Error {}

/**
 * What a SELECT depends on, read off its text: that is complete whatever built it, while TypeORM's expression map holds
 * conditions and subqueries as text. Whatever is not understood is a problem, never nothing.
 */
export function analyseSelect(sql: string, columnsOf: ColumnsOf): SelectAnalysis {
  const nodes = parseSql(sql);
  if (nodes === null) return { problem: 'its SQL could not be read' };
  while (isSign(nodes.at(-1), ';')) nodes.pop();
  try {
    const block = new Block(nodes, null, columnsOf, 'answer');
    block.finish(false);
    return { tables: block.uses() };
  } catch (error) {
    if (error instanceof NotUnderstood) return { problem: error.message };
    throw error;
  }
}

/** 'answer': its rows are the answer. 'derived': a table in FROM. 'exists': nobody looks at its columns. */
type Purpose = 'answer' | 'derived' | 'exists' | 'value';
type JoinKind = 'from' | 'inner' | 'left' | 'other';

interface Ref {
  readonly source: Source;
  readonly column: string;
}

interface Output {
  readonly name: string | null;
  readonly nodes: readonly SqlNode[];
  /** A column as it is. */
  readonly plain: boolean;
}

/** A table or derived table in FROM. */
class Source {
  readonly used = new Set<string>();
  usesAll = false;
  readonly equals = new Map<string, readonly Constant[]>();
  readonly joinedBy: { column: string; path: string; other: string }[] = [];
  readonly shown = new Map<string, string>();
  dropped = false;

  constructor(
    readonly alias: string,
    readonly path: string | null,
    readonly derived: Block | null,
    readonly join: JoinKind,
    readonly on: readonly SqlNode[] | null,
  ) {}

  use(column: string, columns: ReadonlySet<string> | undefined): void {
    if (this.derived) this.derived.useOutput(column);
    else if (column === '*' || !columns?.has(column)) this.usesAll = true;
    else this.used.add(column);
  }
}

const CLAUSES = ['where', 'group', 'having', 'window', 'order', 'limit', 'offset', 'fetch', 'for'];
const REFUSED = [
  'union',
  'intersect',
  'except',
  'with',
  'into',
  'natural',
  'using',
  'tablesample',
  'table',
  'values',
];

class Block {
  private readonly sources: Source[] = [];
  private readonly outputs: Output[] = [];
  private readonly inner: Block[] = [];
  private readonly distinct: boolean;
  private readonly clauses = new Map<string, readonly SqlNode[]>();

  constructor(
    nodes: readonly SqlNode[],
    private readonly outer: Block | null,
    private readonly columnsOf: ColumnsOf,
    private readonly purpose: Purpose,
  ) {
    if (!isWord(nodes[0], 'select')) throw new NotUnderstood('it is no plain SELECT');
    for (const node of nodes)
      if (isWord(node, ...REFUSED))
        throw new NotUnderstood(`its SQL says ${(node as { text: string }).text}`);
    let at = 1;
    this.distinct = isWord(nodes[at], 'distinct');
    if (this.distinct || isWord(nodes[at], 'all')) at++;
    let on: readonly SqlNode[] = [];
    if (this.distinct && isWord(nodes[at], 'on')) {
      on = nodes.slice(at + 1, at + 2);
      at += 2;
    }
    const list = until(nodes, at, ['from', ...CLAUSES]);
    this.readOutputs(list);
    at += list.length;
    if (isWord(nodes[at], 'from')) {
      const from = until(nodes, at + 1, CLAUSES);
      this.readFrom(from);
      at += from.length + 1;
    }
    while (at < nodes.length) {
      const clause = (nodes[at] as { text: string }).text;
      const body = until(nodes, at + 1, CLAUSES);
      this.clauses.set(clause, body);
      at += body.length + 1;
    }
    this.narrow();
    this.useOutputs();
    for (const [clause, body] of this.clauses) if (clause !== 'for') this.use(body);
    this.use(on);
  }

  /**
   * The conditions of joins, last: where only the set of rows counts, a LEFT JOIN that nobody else looks at changes
   * nothing. (TypeORM's pagination and counts have many of those.)
   */
  finish(setOnly: boolean): void {
    const isSet =
      (setOnly && !['limit', 'offset', 'fetch'].some((one) => this.clauses.has(one))) || this.setOnly;
    for (const source of [...this.sources].reverse()) {
      const isSeen = source.used.size > 0 || source.usesAll || source.shown.size > 0;
      source.dropped = isSet && source.join === 'left' && source.derived === null && !isSeen;
      if (!source.dropped && source.on) this.use(source.on);
      source.derived?.finish(isSet);
    }
    // A block may find more of them in its conditions.
    for (const block of this.inner) block.finish(block.purpose === 'exists');
  }

  uses(): TableUse[] {
    const own = this.sources.flatMap((source): TableUse[] => {
      if (source.dropped) return [];
      if (source.derived) return source.derived.uses();
      return [{ ...pick(source), path: source.path! }];
    });
    return [...own, ...this.inner.flatMap((block) => block.uses())];
  }

  /** A derived table's column is used by who reads from it. */
  useOutput(name: string): void {
    const chosen = this.outputs.filter((output) => name === '*' || output.name === name);
    if (chosen.length === 0) for (const source of this.sources) source.use('*', undefined);
    for (const { nodes } of chosen) this.useItem(nodes);
  }

  /** The result is the same however often a row comes. */
  private get setOnly(): boolean {
    if (this.clauses.has('group') || this.outputs.length === 0) return false;
    if (this.distinct) return this.outputs.every(({ plain }) => plain);
    return this.outputs.every(
      ({ nodes: [name, group, ...more] }) =>
        isWord(name, 'count') &&
        group?.kind === 'group' &&
        isWord(group.nodes[0], 'distinct') &&
        more.length === 0,
    );
  }

  private readOutputs(list: readonly SqlNode[]): void {
    for (const item of split(list, (node) => isSign(node, ','))) {
      const last = item.at(-1);
      const named = item.length > 1 && last?.kind === 'name' && !isSign(item.at(-2), '.');
      const isAs = isWord(item.at(-2), 'as');
      // `x name` without AS: only where it cannot be part of the expression.
      const name = named && (isAs || last.quoted) ? last.text : null;
      const nodes = name === null ? item : item.slice(0, isAs ? -2 : -1);
      const column = asColumn(nodes);
      this.outputs.push({ name: name ?? column?.column ?? null, nodes, plain: column !== null });
    }
  }

  private readFrom(nodes: readonly SqlNode[]): void {
    let at = 0;
    let join: JoinKind = 'from';
    while (at < nodes.length) {
      const table = until(nodes, at, ['on', 'join', 'left', 'right', 'full', 'inner', 'cross'], true);
      at += table.length;
      let on: readonly SqlNode[] | null = null;
      if (isWord(nodes[at], 'on')) {
        on = until(nodes, at + 1, ['join', 'left', 'right', 'full', 'inner', 'cross'], true);
        at += on.length + 1;
      }
      this.sources.push(this.readSource(table, join, on));
      join = 'inner';
      if (isSign(nodes[at], ',')) at++;
      else {
        const start = at;
        while (at < nodes.length && !isWord(nodes[at], 'join')) at++;
        const words = nodes.slice(start, at);
        if (words.some((word) => isWord(word, 'left'))) join = 'left';
        else if (words.some((word) => isWord(word, 'right', 'full'))) join = 'other';
        at++;
      }
    }
  }

  private readSource(nodes: readonly SqlNode[], join: JoinKind, on: readonly SqlNode[] | null): Source {
    let at = 0;
    while (isWord(nodes[at], 'only', 'lateral')) at++;
    const first = nodes[at];
    let path: string | null = null;
    let derived: Block | null = null;
    if (first?.kind === 'group') {
      if (!isWord(first.nodes[0], 'select')) throw new NotUnderstood('it joins in parentheses');
      derived = new Block(first.nodes, this, this.columnsOf, 'derived');
      at++;
    } else if (first?.kind === 'name') {
      path = first.text;
      at++;
      while (isSign(nodes[at], '.') && nodes[at + 1]?.kind === 'name') {
        path += `.${(nodes[at + 1] as { text: string }).text}`;
        at += 2;
      }
      if (nodes[at]?.kind === 'group') throw new NotUnderstood(`it reads from the function ${path}`);
    } else throw new NotUnderstood('its FROM could not be read');
    if (isSign(nodes[at], '*')) at++;
    if (isWord(nodes[at], 'as')) at++;
    const alias = nodes[at];
    if (nodes.length > at + 1 || (alias !== undefined && alias.kind !== 'name'))
      throw new NotUnderstood('its FROM could not be read');
    return new Source(alias?.text ?? path?.split('.').at(-1) ?? '', path, derived, join, on);
  }

  /** What the conditions that hold for every row of the result say of single columns. */
  private narrow(): void {
    const everywhere = conjuncts(this.clauses.get('where') ?? []);
    const oneSided = this.sources.every(({ join }) => join !== 'other');
    if (oneSided)
      for (const { join, on } of this.sources) if (join === 'inner' && on) everywhere.push(...conjuncts(on));
    for (const part of everywhere) this.equate(part, null);
    // A column that has to have a value is of a row that was found: then its join leaves nothing out.
    if (oneSided)
      for (const { join, on, equals } of this.sources)
        if (join === 'left' && on && equals.size > 0) everywhere.push(...conjuncts(on));
    // `a.x = b.y`, and one of them is known: so is the other. As often as there are tables to pass it on.
    for (let round = 0; round < this.sources.length; round++)
      for (const part of everywhere) this.link(part, null);
    for (const source of this.sources) {
      if (!source.on || (source.join !== 'left' && source.join !== 'inner')) continue;
      for (const part of conjuncts(source.on)) {
        if (oneSided) {
          this.equate(part, source);
          this.link(part, source);
        }
        this.joined(part, source);
      }
    }
  }

  /** `only`: of a LEFT JOIN's condition, which says nothing of the tables before it. */
  private equate(part: readonly SqlNode[], only: Source | null): void {
    const found = equality(part);
    if (!found) return;
    const ref = this.resolve(found.ref);
    // An inner block's condition says nothing of the tables around it.
    if (!ref || ref.source.derived || !this.sources.includes(ref.source)) return;
    if (only !== null && ref.source !== only) return;
    const { equals } = ref.source;
    const known = equals.get(ref.column);
    if (!known || known.length > found.constants.length) equals.set(ref.column, found.constants);
  }

  private link(part: readonly SqlNode[], only: Source | null): void {
    const sides = columnPair(part)?.map((side) => this.resolve(side));
    const [a, b] = sides ?? [];
    if (!a || !b) return;
    for (const [to, from] of [
      [a, b],
      [b, a],
    ] as const) {
      const known = from.source.equals.get(from.column);
      if (!known || to.source.derived || to.source.equals.has(to.column)) continue;
      if (!this.sources.includes(to.source)) continue;
      // What a LEFT JOIN's own condition says of its table is no news for others.
      if (only !== null && (to.source !== only || from.source.join === 'left')) continue;
      to.source.equals.set(to.column, known);
    }
  }

  private joined(part: readonly SqlNode[], source: Source): void {
    const [a, b] = columnPair(part)?.map((side) => this.resolve(side)) ?? [];
    if (!a || !b) return;
    const [own, other] = a.source === source ? [a, b] : [b, a];
    if (own.source !== source || other.source === source || other.source.path === null) return;
    source.joinedBy.push({ column: own.column, path: other.source.path, other: other.column });
  }

  private useOutputs(): void {
    // A derived table's are used by who reads from it.
    if (this.purpose === 'exists' || this.purpose === 'derived') return;
    const plain = this.purpose === 'answer' ? this.outputs.filter((output) => output.plain) : [];
    for (const { name, nodes } of plain) {
      const ref = this.resolve(asColumn(nodes)!);
      if (ref && !ref.source.derived && name !== null) ref.source.shown.set(ref.column, name);
    }
    for (const output of this.outputs) {
      const ref = plain.includes(output) ? this.resolve(asColumn(output.nodes)!) : null;
      if (!ref || ref.source.derived || ref.column === '*') this.useItem(output.nodes);
    }
  }

  private useItem(nodes: readonly SqlNode[]): void {
    if (nodes.length === 1 && isSign(nodes[0], '*'))
      for (const source of this.sources) source.use('*', undefined);
    else this.use(nodes);
  }

  /** Marks every column that is mentioned. */
  private use(nodes: readonly SqlNode[]): void {
    for (let at = 0; at < nodes.length; at++) {
      const node = nodes[at]!;
      if (node.kind === 'group') {
        this.group(nodes, at, node.nodes);
        continue;
      }
      if (node.kind !== 'name') continue;
      // A type, a collation.
      const isNoColumn = isSign(nodes[at - 1], '::') || isWord(nodes[at - 1], 'collate');
      let end = at;
      const parts = [node.text];
      while (isSign(nodes[end + 1], '.') && isColumnEnd(nodes[end + 2])) {
        const next = nodes[end + 2]!;
        parts.push(next.kind === 'name' ? next.text : '*');
        end += 2;
      }
      at = end;
      if (isNoColumn) continue;
      if (nodes[end + 1]?.kind === 'group') this.calls(node, parts);
      else if (parts.length === 1) this.useName(node.text, node.quoted);
      else this.useRef({ alias: parts.at(-2)!, column: parts.at(-1)! });
    }
  }

  private group(nodes: readonly SqlNode[], at: number, inner: readonly SqlNode[]): void {
    if (!isWord(inner[0], 'select', 'with', 'values')) return this.use(inner);
    const purpose = isWord(nodes[at - 1], 'exists') ? 'exists' : 'value';
    this.inner.push(new Block(inner, this, this.columnsOf, purpose));
  }

  /** A name before a parenthesis. @throws NotUnderstood for a function of which nobody knows what it reads */
  private calls(node: SqlNode & { kind: 'name' }, parts: readonly string[]): void {
    const name = parts.at(-1)!;
    if (parts.length === 1 && !node.quoted && NO_FUNCTIONS.has(name)) return;
    if (!PURE_FUNCTIONS.has(name) || (parts.length > 1 && parts[0] !== 'pg_catalog'))
      throw new NotUnderstood(`nobody knows what the function ${parts.join('.')} reads`);
  }

  private useName(name: string, quoted: boolean): void {
    if (!quoted && NO_COLUMNS.has(name)) return;
    const outputs = this.outputs.filter((output) => output.name === name && output.plain);
    if (outputs.length > 0) {
      for (const { nodes } of outputs) this.useRef(asColumn(nodes)!);
      return;
    }
    // An expression's own name: what it is made of is used already.
    if (this.outputs.some((output) => output.name === name)) return;
    for (const block of this.around()) {
      const tables = block.sources.filter(({ path }) => path !== null);
      const having = tables.filter(({ path }) => this.columnsOf(path!)?.has(name));
      for (const source of having) source.use(name, this.columnsOf(source.path!));
      const made = block.sources.filter(({ derived }) => derived?.outputs.some((one) => one.name === name));
      for (const source of made) source.use(name, undefined);
      if (having.length + made.length > 0) return;
    }
    for (const block of this.around()) for (const source of block.sources) source.use('*', undefined);
  }

  private useRef(written: { alias: string; column: string }): void {
    const ref = this.resolve(written);
    if (ref)
      ref.source.use(ref.column, ref.source.path === null ? undefined : this.columnsOf(ref.source.path));
    else throw new NotUnderstood(`nobody knows what ${written.alias}.${written.column} is`);
  }

  /** This block, and those it stands in. */
  private *around(): Iterable<Block> {
    yield this;
    if (this.outer) yield* this.outer.around();
  }

  private resolve({ alias, column }: { alias: string; column: string }): Ref | null {
    for (const block of this.around()) {
      const source = block.sources.find((one) => one.alias === alias);
      if (source) return { source, column };
    }
    return null;
  }
}

function pick({ used, usesAll, equals, joinedBy, shown }: Source): Omit<TableUse, 'path'> {
  return { used, usesAll, equals, joinedBy, shown };
}

/** The nodes from `at` up to one of the words; `IS DISTINCT FROM` has none. */
function until(
  nodes: readonly SqlNode[],
  at: number,
  words: readonly string[],
  orComma = false,
): readonly SqlNode[] {
  let end = at;
  for (; end < nodes.length; end++) {
    const isOperator = isWord(nodes[end], 'from') && isWord(nodes[end - 1], 'distinct') && end - 1 > at;
    // `left(x, 1)` is a function.
    const isCall = isWord(nodes[end], 'left', 'right') && nodes[end + 1]?.kind === 'group';
    if ((isWord(nodes[end], ...words) && !isOperator && !isCall) || (orComma && isSign(nodes[end], ',')))
      break;
  }
  return nodes.slice(at, end);
}

function split(nodes: readonly SqlNode[], at: (node: SqlNode) => boolean): SqlNode[][] {
  const parts: SqlNode[][] = [[]];
  for (const node of nodes) {
    if (at(node)) parts.push([]);
    else parts.at(-1)!.push(node);
  }
  return parts.filter((part) => part.length > 0);
}

/** The parts of a condition that all have to hold. */
function conjuncts(nodes: readonly SqlNode[]): (readonly SqlNode[])[] {
  const [first] = nodes;
  if (nodes.length === 1 && first?.kind === 'group') return conjuncts(first.nodes);
  if (nodes.some((node) => isWord(node, 'or', 'case'))) return [];
  const parts: SqlNode[][] = [[]];
  let between = false;
  for (const node of nodes) {
    if (isWord(node, 'between')) between = true;
    if (isWord(node, 'and') && !between) {
      parts.push([]);
      continue;
    }
    if (isWord(node, 'and')) between = false;
    parts.at(-1)!.push(node);
  }
  return parts.flatMap((part) => (part.length === 1 && part[0]?.kind === 'group' ? conjuncts(part) : [part]));
}

function asColumn(nodes: readonly SqlNode[]): { alias: string; column: string } | null {
  const [alias, dot, column, ...more] = nodes;
  if (alias?.kind !== 'name' || !isSign(dot, '.') || more.length > 0) return null;
  if (isSign(column, '*')) return { alias: alias.text, column: '*' };
  return column?.kind === 'name' ? { alias: alias.text, column: column.text } : null;
}

function isColumnEnd(node: SqlNode | undefined): boolean {
  return node?.kind === 'name' || isSign(node, '*');
}

function equality(
  part: readonly SqlNode[],
): { ref: { alias: string; column: string }; constants: Constant[] } | null {
  for (const [left, right] of [
    [part.slice(0, 3), part.slice(4)],
    [part.slice(-3), part.slice(0, -4)],
  ] as const) {
    const ref = asColumn(left);
    const sign = left === part ? undefined : part[left[0] === part[0] ? 3 : part.length - 4];
    if (!ref || right.length !== 1) continue;
    if (isSign(sign, '=')) {
      const one = constant(right);
      if (one) return { ref, constants: [one] };
    }
    const group = right[0]!;
    if (isWord(sign, 'in') && left[0] === part[0] && group.kind === 'group') {
      const all = split(group.nodes, (node) => isSign(node, ',')).map(constant);
      if (all.length > 0 && all.every((one) => one !== null)) return { ref, constants: all };
    }
  }
  return null;
}

function constant(nodes: readonly SqlNode[]): Constant | null {
  const [node, ...more] = nodes;
  if (more.length > 0 || node === undefined) return null;
  if (node.kind === 'parameter' || node.kind === 'number' || node.kind === 'string') return node;
  if (isWord(node, 'true', 'false')) return { kind: 'boolean', value: isWord(node, 'true') };
  return null;
}

function columnPair(part: readonly SqlNode[]): { alias: string; column: string }[] | null {
  if (part.length !== 7 || !isSign(part[3], '=')) return null;
  const sides = [asColumn(part.slice(0, 3)), asColumn(part.slice(4))];
  return sides.every((side) => side !== null) ? sides : null;
}
