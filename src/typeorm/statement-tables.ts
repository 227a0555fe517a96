import type { DataSource, EntityMetadata } from 'typeorm';
import type { MarkRegistry } from './mark-registry.js';

/** Names of tables come early; the values of a bulk INSERT may go on for megabytes. */
const LOOKED_AT = 10_000;

interface Names {
  readonly pattern: RegExp;
  readonly metadatas: ReadonlyMap<string, readonly EntityMetadata[]>;
}

/**
 * Which marked entities' tables a statement names. By the words, without parsing: it serves to decide how soon somebody
 * looks, and what goes when nobody knows, so a name too many costs little and one that is missed costs time.
 */
export class StatementTables {
  private readonly names = new WeakMap<DataSource, Names | null>();

  constructor(private readonly marks: Pick<MarkRegistry, 'concerned'>) {}

  in(dataSource: DataSource, sql: string): EntityMetadata[] {
    let names = this.names.get(dataSource);
    if (names === undefined) {
      names = this.read(dataSource);
      this.names.set(dataSource, names);
    }
    if (names === null) return [];
    const found = new Set<EntityMetadata>();
    for (const [word] of sql.slice(0, LOOKED_AT).matchAll(names.pattern))
      for (const metadata of names.metadatas.get(word.toLowerCase()) ?? []) found.add(metadata);
    return [...found];
  }

  private read(dataSource: DataSource): Names | null {
    const metadatas = new Map<string, EntityMetadata[]>();
    for (const metadata of dataSource.entityMetadatas) {
      if (this.marks.concerned(metadata).unknown.length === 0) continue;
      const name = metadata.tableName.toLowerCase();
      metadatas.set(name, [...(metadatas.get(name) ?? []), metadata]);
    }
    if (metadatas.size === 0) return null;
    const words = [...metadatas.keys()].map((name) =>
      name.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`),
    );
    return { metadatas, pattern: new RegExp(String.raw`(?<![\w$])(?:${words.join('|')})(?![\w$])`, 'gi') };
  }
}
