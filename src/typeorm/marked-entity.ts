import type { EntityMetadata, ObjectLiteral } from 'typeorm';
import { InvalidOptionsError } from '#tiered-cache';
import type { CachedEntityOptions, EntityMark, EntryIds } from './cached-entity.decorator.js';
import { type EntityId, type EntityIdPart, entityTag, anyRowTag } from './entity-tag.js';
import { type EntityScope, type EntryKey, type Invalidation, unknownRow } from './invalidation-batch.js';
import { type RowOrigin, viewRow } from './row-view.js';
import { movedTags, type RowChange } from './tracking/table-tags.js';

/** Told what is wrong with a marker's functions; they run inside somebody's save and must not throw there. */
export type MarkFault = (entity: MarkedEntity, problem: string, error?: unknown) => void;

/** A version of a row: where its values are looked for (the first that knows wins), and what a gap means. */
export interface RowVersion {
  readonly sources: readonly ObjectLiteral[];
  readonly origin: RowOrigin;
}

type Column = EntityMetadata['columns'][number];
type Relation = EntityMetadata['relations'][number];

const TYPE = /^[A-Za-z_$][\w$-]*$/;

/** One use of `@CachedEntity`, checked, and able to say what a write ends. */
export class MarkedEntity implements EntityScope {
  readonly type: string;
  readonly target: Function;
  private readonly options: CachedEntityOptions;
  private readonly declared: readonly string[] | null;
  private outside = false;

  /** @throws InvalidOptionsError naming the entity and the option. */
  constructor(
    mark: EntityMark,
    private readonly onFault: MarkFault,
  ) {
    this.target = mark.target;
    this.options = checked(mark);
    this.type = this.options.type ?? mark.target.name;
    this.declared = declaredNamespaces(this.options);
  }

  /** Null once nobody can tell, or once a `keys` function has answered a namespace that was not declared. */
  get namespaces(): readonly string[] | null {
    return this.outside ? null : this.declared;
  }

  /** @throws InvalidOptionsError when the entity has no such column, or the cache no such namespace. */
  validate(metadata: EntityMetadata): void {
    for (const path of this.options.listColumns ?? [])
      if (!known(metadata, path))
        throw new InvalidOptionsError(
          `@CachedEntity on ${this.target.name}: listColumns`,
          path,
          'a column or relation of it',
        );
  }

  /** @throws InvalidOptionsError when the cache has no such namespace. */
  validateNamespaces(declared: readonly string[]): void {
    for (const namespace of this.declared ?? [])
      if (!declared.includes(namespace))
        throw new InvalidOptionsError(
          `@CachedEntity on ${this.target.name}: namespace`,
          namespace,
          `a namespace of the cache: ${declared.join(', ') || 'none is declared'}`,
        );
  }

  /**
   * @param membership true when lists can have changed: an insert, a delete, an update of a listed column.
   * @param change what tracked lists are told by
   */
  write(
    metadata: EntityMetadata,
    versions: readonly RowVersion[],
    membership: boolean,
    change: RowChange = 'came-or-went',
  ): Invalidation {
    const keys: EntryKey[] = [];
    const tags: string[] = membership ? [entityTag(this.type)] : [];
    for (const version of versions) {
      const id = primaryKey(metadata, version.sources);
      const row = id === undefined ? undefined : this.read(metadata, version);
      if (id === undefined || row === undefined) return unknownRow(this);
      keys.push(...row.keys);
      tags.push(entityTag(this.type, id), ...row.tags);
    }
    const values = versions.map(({ sources, origin }) => ({ sources, inserted: origin === 'inserted' }));
    tags.push(...movedTags(this.type, metadata, values, change));
    return { scope: this, keys, tags, namespaces: [], all: false };
  }

  /**
   * A write of a known row that may have replaced another one whose old values nobody has seen (an upsert):
   * the row's own entries, and everything that an unknown row takes.
   */
  replace(metadata: EntityMetadata, version: RowVersion): Invalidation {
    const known = this.write(metadata, [version], true);
    const unknown = unknownRow(this);
    return { ...unknown, keys: known.keys, tags: [...known.tags, anyRowTag(this.type)] };
  }

  /** Whether an update of these columns can change a list. Nothing named: it can. */
  changesLists(
    metadata: EntityMetadata,
    columns: readonly Column[],
    relations: readonly Relation[],
  ): boolean {
    const listed = this.options.listColumns;
    if (!listed) return true;
    const changed = [...columns, ...relations].map((one) => one.propertyPath);
    if (changed.length === 0) return true;
    // TypeORM itself moves these, and does not report them as changed.
    const moving = [metadata.updateDateColumn, metadata.versionColumn].map((column) => column?.propertyPath);
    const counts = (path: string): boolean =>
      listed.some((one) => path === one || path.startsWith(`${one}.`)) ||
      path === metadata.deleteDateColumn?.propertyPath;
    return changed.some(counts) || listed.some((path) => moving.includes(path));
  }

  private read(
    metadata: EntityMetadata,
    version: RowVersion,
  ): { keys: EntryKey[]; tags: readonly string[] } | undefined {
    const view = viewRow(metadata, version.sources, version.origin);
    try {
      const keys = keysOf(this.options, view.row);
      const tags = this.options.tags?.(view.row) ?? [];
      if (view.incomplete) return undefined;
      return this.sound(keys, tags) ? { keys, tags } : undefined;
    } catch (error) {
      // Where a column was not loaded, stumbling over it is no fault of the marker.
      if (!view.incomplete) this.onFault(this, 'keys or tags threw', error);
      return undefined;
    }
  }

  /** One bad id would have the whole transaction's invalidation refused. */
  private sound(keys: readonly EntryKey[], tags: readonly string[]): boolean {
    const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';
    if (!keys.every((key) => isText(key?.id) && isText(key.namespace)) || !tags.every(isText)) {
      this.onFault(this, 'keys or tags answered something that is no non-empty string');
      return false;
    }
    const stray = this.namespaces && keys.find((key) => !this.namespaces?.includes(key.namespace));
    if (!stray) return true;
    this.outside = true;
    this.onFault(
      this,
      `keys answered the namespace "${stray.namespace}", which is not in its namespaces; from now on writes of ` +
        'unknown rows clear every namespace',
    );
    return true;
  }
}

function keysOf(options: CachedEntityOptions, row: ObjectLiteral): EntryKey[] {
  const { keys } = options;
  if (keys === undefined) return [];
  if (typeof keys === 'function')
    // Copied: the selector must not change when the host keeps the array.
    return keys(row).map(({ namespace, id }) => ({ namespace, id }));
  return Object.entries(keys).flatMap(([namespace, ids]) =>
    list(ids(row)).map((id) => ({ namespace, id: String(id) })),
  );
}

function list(ids: EntryIds): (string | number | bigint)[] {
  const all = Array.isArray(ids) ? (ids as readonly EntryIds[]) : [ids];
  return all.filter((id): id is string | number | bigint => id !== null && id !== undefined);
}

function primaryKey(metadata: EntityMetadata, sources: readonly ObjectLiteral[]): EntityId | undefined {
  const parts: EntityIdPart[] = [];
  for (const column of metadata.primaryColumns) {
    const part = sources
      .map((source) => column.getEntityValue(source) as unknown)
      .find((value) => value !== undefined && value !== null && typeof value !== 'function');
    if (part === undefined) return undefined;
    parts.push(part as EntityIdPart);
  }
  return parts.length === 1 ? parts[0] : parts;
}

function known(metadata: EntityMetadata, path: string): boolean {
  return (
    metadata.findColumnWithPropertyPath(path) !== undefined ||
    metadata.findRelationWithPropertyPath(path) !== undefined ||
    metadata.embeddeds.some((embedded) => embedded.propertyName === path)
  );
}

function declaredNamespaces(options: CachedEntityOptions): readonly string[] | null {
  const mapped = typeof options.keys === 'object' ? Object.keys(options.keys) : [];
  if (options.namespaces) return [...new Set([...mapped, ...options.namespaces])];
  return typeof options.keys === 'function' || options.tags ? null : mapped;
}

function checked({ target, options }: EntityMark): CachedEntityOptions {
  const refuse = (option: string, value: unknown, allowed: string): never => {
    throw new InvalidOptionsError(
      `@CachedEntity on ${target.name || 'a class without a name'}: ${option}`,
      value,
      allowed,
    );
  };
  if (typeof options !== 'object' || options === null) refuse('options', options, 'an object');
  const names = new Set(['type', 'cache', 'keys', 'tags', 'namespaces', 'listColumns']);
  for (const name of Object.keys(options))
    if (!names.has(name)) refuse(name, options[name as never], [...names].join(', '));
  const { type, cache, keys, tags, namespaces, listColumns } = options;
  if ((type !== undefined && typeof type !== 'string') || !TYPE.test(type ?? target.name))
    refuse('type', type ?? target.name, 'a letter, then letters, digits, "_" or "-"');
  if (cache !== undefined && (typeof cache !== 'string' || cache === ''))
    refuse('cache', cache, 'the name of a cache');
  if (keys !== undefined && typeof keys !== 'function') {
    if (typeof keys !== 'object' || keys === null)
      refuse('keys', keys, 'a function per namespace, { instruments: (row) => row.symbol }, or one function');
    for (const [namespace, ids] of Object.entries(keys))
      if (typeof ids !== 'function')
        refuse(`keys.${namespace}`, ids, 'a function of the row that answers an id, several, or null');
  }
  if (tags !== undefined && typeof tags !== 'function')
    refuse('tags', tags, 'a function of the row that answers tags');
  const isList = (value: unknown): boolean =>
    Array.isArray(value) && value.every((one) => typeof one === 'string');
  if (namespaces !== undefined && !isList(namespaces))
    refuse('namespaces', namespaces, 'a list of namespaces');
  if (listColumns !== undefined && !isList(listColumns))
    refuse('listColumns', listColumns, 'a list of properties');
  return options;
}
