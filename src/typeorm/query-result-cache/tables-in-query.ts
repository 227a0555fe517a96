import type { DataSource, EntityMetadata } from 'typeorm';
import { entityTag } from '../entity-tag.js';
import type { MarkRegistry } from '../mark-registry.js';

/** How many queries are remembered; above it everything is forgotten and memory begins anew. */
const MAX_REMEMBERED = 1_000;

/**
 * The tags of the marked entities that a query may read: those whose table's name stands in its text, as a word, quoted
 * or not, whatever it means there. So it errs towards too many; what it cannot see is a table behind a view or a function.
 */
export class TablesInQuery {
  private readonly remembered = new Map<string, readonly string[]>();
  private metadatas: readonly EntityMetadata[] | undefined;
  private tags = new Map<string, readonly string[]>();
  private names: RegExp | null = null;

  constructor(
    private readonly dataSource: DataSource,
    private readonly marks: MarkRegistry,
  ) {}

  /** @param query as TypeORM hands it over, its parameters behind a comment */
  tagsOf(query: string): readonly string[] {
    this.refresh();
    if (this.names === null) return [];
    const at = query.lastIndexOf(' -- PARAMETERS: ');
    const sql = at < 0 ? query : query.slice(0, at);
    let tags = this.remembered.get(sql);
    if (tags === undefined) {
      const found = [...sql.matchAll(this.names)].flatMap(
        ([name]) => this.tags.get(name.toLowerCase()) ?? [],
      );
      tags = [...new Set(found)];
      if (this.remembered.size >= MAX_REMEMBERED) this.remembered.clear();
      this.remembered.set(sql, tags);
    }
    return tags;
  }

  /** initialize() makes the metadata anew. */
  private refresh(): void {
    const { entityMetadatas } = this.dataSource;
    if (this.metadatas === entityMetadatas) return;
    this.metadatas = entityMetadatas;
    this.remembered.clear();
    this.tags = new Map();
    for (const metadata of entityMetadatas) {
      const { row, unknown } = this.marks.concerned(metadata);
      const own = [...row, ...unknown].map(({ type }) => entityTag(type));
      const name = metadata.tableName.toLowerCase();
      if (own.length > 0) this.tags.set(name, [...(this.tags.get(name) ?? []), ...own]);
    }
    // The longest first: of "order-line" and "order" both may stand in one place.
    const names = [...this.tags.keys()].sort((a, b) => b.length - a.length).map(escaped);
    this.names = names.length === 0 ? null : new RegExp(`(?<![\\w$])(?:${names.join('|')})(?![\\w$])`, 'gi');
  }
}

function escaped(name: string): string {
  return name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
