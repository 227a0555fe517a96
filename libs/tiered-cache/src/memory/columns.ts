/** The columns begin with room for so many entries (360 KB), most caches' number, and double when that is not enough. */
const FIRST = 16_384;

/**
 * The entries of L1, one row each, in parallel arrays by slot: 38 bytes a row, where an object with the same fields takes
 * several hundred. Rows are used again; `generations` moves whenever a row changes hands, so that whoever holds on to a
 * slot (across an await, or from hit to hit) can tell whether it is still the same entry's.
 */
export class Columns {
  /** What everybody is handed; undefined in free rows, and for entries that are copied for each reader. */
  values: unknown[];
  /** The id as the index of the shelf knows it; '' in free rows. */
  ids: string[];
  /** Monotonic ms of the first moment at which somebody has to think; -Infinity: always. */
  attention: Float64Array;
  /** Where the tags stood (the gate's epoch) when the entry's were last seen unchanged; -1 in free rows. */
  stamps: Float64Array;
  generations: Uint32Array;
  /** Number of the shelf. */
  shelves: Uint16Array;

  /** Rows that were ever used. */
  private used = 0;

  constructor(private readonly maxEntries: number) {
    const room = Math.min(maxEntries, FIRST);
    this.values = filled<unknown>(room, undefined);
    this.ids = filled(room, '');
    this.attention = new Float64Array(room);
    this.stamps = new Float64Array(room);
    this.generations = new Uint32Array(room);
    this.shelves = new Uint16Array(room);
  }

  /** Rows there is room for. */
  get room(): number {
    return this.generations.length;
  }

  /** Makes room for `slot`. Answers whether there is more than before. */
  extend(slot: number): boolean {
    if (slot >= this.used) this.used = slot + 1;
    if (slot < this.room) return false;
    const room = Math.min(this.maxEntries, 2 * this.room);
    // Arrays that are pushed to are up to half as long again as they need to be.
    this.values = lengthened(this.values, room, undefined);
    this.ids = lengthened(this.ids, room, '');
    this.attention = grown(this.attention, new Float64Array(room));
    this.stamps = grown(this.stamps, new Float64Array(room));
    this.generations = grown(this.generations, new Uint32Array(room));
    this.shelves = grown(this.shelves, new Uint16Array(room));
    return true;
  }

  /** Frees a row. What it held is kept alive by nothing in here. */
  free(slot: number): void {
    this.values[slot] = undefined;
    this.ids[slot] = '';
    this.attention[slot] = -Infinity;
    this.stamps[slot] = -1;
    this.generations[slot]!++;
  }

  clear(): void {
    const { used } = this;
    for (let slot = 0; slot < used; slot++) this.generations[slot]!++;
    this.attention.fill(-Infinity, 0, used);
    this.stamps.fill(-1, 0, used);
    this.values.fill(undefined, 0, used);
    this.ids.fill('', 0, used);
    this.used = 0;
  }
}

function filled<T>(length: number, filler: T): T[] {
  // Array.from takes ten times as long, which at a million is a stall of 20 ms.
  // oxlint-disable-next-line unicorn/no-new-array
  return new Array<T>(length).fill(filler);
}

function lengthened<T>(from: readonly T[], length: number, filler: T): T[] {
  const to = filled(length, filler);
  for (let i = 0; i < from.length; i++) to[i] = from[i]!;
  return to;
}

function grown<A extends Float64Array | Uint32Array | Uint16Array>(from: A, to: A): A {
  to.set(from);
  return to;
}
