import type { EntryKey } from '../remote/remote-tier.js';
import type { TagState, TagTable } from './tag-table.js';

/**
 * An in-flight marker: registered before a GET or ACQUIRE is sent, dirtied by every record that touches the key or
 * one of its tags. A dirty marker's result may be returned but not kept in L1 (protocol, Read 3 and 6).
 */
export class Marker {
  /** Counts records that name the key, patterns, and gaps. */
  keyTouches = 0;
  /** Everything known locally was dropped since: the data set may be another one. */
  gapped = false;
  /** Where the tag table stood when the marker was registered. */
  readonly sequence: number;
  private readonly states: TagState[];
  private readonly versions: number[];

  constructor(
    readonly key: EntryKey,
    private readonly table: TagTable,
    tags: readonly string[],
  ) {
    this.sequence = table.sequence;
    // Literals of the right length: an empty array that is pushed to takes room for seventeen.
    const first = tags.length === 0 ? undefined : table.state(tags[0]!);
    this.states = first === undefined ? [] : [first];
    this.versions = first === undefined ? [] : [first.version];
    for (let i = 1; i < tags.length; i++) this.watch(table.state(tags[i]!));
  }

  /** From here on the tag counts; answers the version seen, for `TagTable.learn`. */
  watch(state: TagState): number {
    const at = this.states.indexOf(state);
    if (at >= 0) return this.versions[at]!;
    this.states.push(state);
    this.versions.push(state.version);
    return state.version;
  }

  /** The tag may be added although it was met only after the load: nothing touched it since the marker. */
  watchLate(tag: string): boolean {
    const state = this.table.state(tag);
    this.watch(state);
    return state.touchedAt <= this.sequence;
  }

  get tags(): readonly TagState[] {
    return this.states;
  }

  get tagVersions(): readonly number[] {
    return this.versions;
  }

  get clean(): boolean {
    return this.keyTouches === 0 && this.tagsClean;
  }

  get tagsClean(): boolean {
    for (let i = 0; i < this.states.length; i++)
      if (this.states[i]!.version !== this.versions[i]) return false;
    return true;
  }
}

/** All markers in flight, by key: one nearly always, so a Set is made for the second only. */
export class MarkerTable {
  private readonly byKey = new Map<EntryKey, Marker | Set<Marker>>();

  constructor(private readonly table: TagTable) {}

  open(key: EntryKey, tags: readonly string[]): Marker {
    const marker = new Marker(key, this.table, tags);
    const there = this.byKey.get(key);
    if (there === undefined) this.byKey.set(key, marker);
    else if (there instanceof Marker) this.byKey.set(key, new Set([there, marker]));
    else there.add(marker);
    return marker;
  }

  close(marker: Marker): void {
    const there = this.byKey.get(marker.key);
    if (there === marker) this.byKey.delete(marker.key);
    else if (there !== undefined && !(there instanceof Marker)) {
      there.delete(marker);
      if (there.size === 0) this.byKey.delete(marker.key);
    }
  }

  touchKey(key: EntryKey): void {
    const there = this.byKey.get(key);
    if (there !== undefined) for (const marker of listed(there)) marker.keyTouches++;
  }

  touchMatching(matches: (key: EntryKey) => boolean): void {
    for (const key of this.byKey.keys()) if (matches(key)) this.touchKey(key);
  }

  /** A gap. */
  touchAll(): void {
    for (const there of this.byKey.values())
      for (const marker of listed(there)) {
        marker.keyTouches++;
        marker.gapped = true;
      }
  }

  get size(): number {
    return this.byKey.size;
  }
}

function listed(there: Marker | Set<Marker>): Iterable<Marker> {
  return there instanceof Marker ? [there] : there;
}
