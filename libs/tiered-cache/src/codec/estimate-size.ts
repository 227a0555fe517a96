import { types } from 'node:util';

// Rough costs in V8 on 64 bits; what matters is that a budget holds within a factor of about two.
const SLOT = 8;
const OBJECT = 56;
const BOX = 16;
const ENTRY = 40;

/** How many members one estimate looks at. */
export const MAX_VISITS = 10_000;
/** How many elements of one collection it looks at. */
const SAMPLE = 500;
const MAX_DEPTH = 500;

/**
 * Approximate bytes a value holds in memory, for values kept by reference and never encoded. What is shared counts
 * once, cycles end, accessors are not called. Bounded work: of large collections a sample stands for all, and after
 * 10,000 members (or once `limit` bytes are counted: the answer is then just some number above) what was seen so far.
 */
export function estimateBytes(value: unknown, limit = Infinity): number {
  return Math.ceil(new Estimate(limit).of(value, 0));
}

class Estimate {
  readonly #seen = new Set<object>();
  #visits = 0;
  #counted = 0;

  constructor(private readonly limit: number) {}

  of(value: unknown, depth: number): number {
    if (typeof value !== 'object' || value === null) return this.#count(primitiveBytes(value));
    if (this.#seen.has(value)) return 0;
    this.#seen.add(value);
    const own = this.#count(OBJECT + bufferBytes(value));
    if (depth > MAX_DEPTH || ArrayBuffer.isView(value)) return own;
    if (Array.isArray(value)) return own + this.#array(value, depth);
    if (types.isMap(value)) return own + this.#members(flat(value), value.size * 2, ENTRY / 2, depth);
    if (types.isSet(value)) return own + this.#members(value, value.size, ENTRY, depth);
    return own + this.#properties(value, depth);
  }

  #array(array: unknown[], depth: number): number {
    // Evenly spread: the first elements are often the newest, or empty.
    const step = Math.max(1, Math.floor(array.length / SAMPLE));
    const sample = Array.from({ length: Math.min(array.length, SAMPLE) }, (_, i) => i * step);
    return this.#members(sample, array.length, SLOT, depth, (index) => array[index as number]);
  }

  #members(members: Iterable<unknown>, count: number, room: number, depth: number, read = same): number {
    let bytes = 0;
    let taken = 0;
    for (const member of members) {
      if (taken === SAMPLE || this.#done()) break;
      taken++;
      this.#visits++;
      bytes += this.of(read(member), depth + 1);
    }
    return this.#count(count * room) + (taken === 0 ? 0 : (bytes / taken) * count);
  }

  #properties(object: object, depth: number): number {
    let bytes = 0;
    // for-in walks without listing all keys first; inherited members are the class's, not the instance's.
    for (const key in object) {
      if (this.#done()) break;
      if (!Object.hasOwn(object, key)) continue;
      this.#visits++;
      bytes += this.#count(SLOT + key.length);
      bytes += this.of(Object.getOwnPropertyDescriptor(object, key)?.value, depth + 1);
    }
    return bytes;
  }

  #done(): boolean {
    return this.#visits >= MAX_VISITS || this.#counted > this.limit;
  }

  #count(bytes: number): number {
    this.#counted += bytes;
    return bytes;
  }
}

function same(member: unknown): unknown {
  return member;
}

function* flat(map: ReadonlyMap<unknown, unknown>): Generator<unknown, void> {
  for (const [key, value] of map) {
    yield key;
    yield value;
  }
}

function bufferBytes(value: object): number {
  return ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value) ? value.byteLength : 0;
}

function primitiveBytes(value: unknown): number {
  switch (typeof value) {
    case 'string':
      // One byte per unit for Latin-1 and two otherwise; looking would cost more than it is worth.
      return BOX + value.length * 2;
    case 'bigint':
      return BOX + Math.ceil(value.toString(16).length / 2);
    case 'number':
      return Number.isInteger(value) ? 0 : BOX;
    default:
      return 0;
  }
}
