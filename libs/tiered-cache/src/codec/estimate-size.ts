import { types } from 'node:util';

// Rough costs in V8 on 64 bits; what matters is that a budget holds within a factor of about two.
const SLOT = 8;
const OBJECT = 56;
const BOX = 16;
const ENTRY = 40;

/** How many members one estimate looks at; the rest is extrapolated. */
export const MAX_VISITS = 10_000;

/**
 * Approximate bytes a value holds in memory, for values kept by reference and never encoded. What is shared counts
 * once, cycles end. Bounded work: after 10,000 members the known rest counts like the average so far; above `limit`
 * bytes it stops, and the answer is then just some number above `limit`.
 */
export function estimateBytes(value: unknown, limit = Infinity): number {
  if (typeof value !== 'object' || value === null) return primitiveBytes(value);
  const walk = new Walk(value);
  for (const object of walk.found) {
    walk.enter(object);
    if (walk.bytes > limit || walk.visits >= MAX_VISITS) break;
  }
  const rest = walk.skipped + walk.found.size - walk.entered;
  return Math.ceil(walk.bytes + (walk.bytes / Math.max(walk.visits, 1)) * rest);
}

class Walk {
  /** Containers in order of discovery: its own work list, as a Set also iterates what is added meanwhile. */
  readonly found: Set<object>;
  entered = 0;
  bytes = 0;
  visits = 0;
  skipped = 0;

  constructor(root: object) {
    this.found = new Set([root]);
  }

  enter(object: object): void {
    this.entered++;
    this.bytes += OBJECT;
    if (ArrayBuffer.isView(object) || types.isAnyArrayBuffer(object)) this.bytes += object.byteLength;
    else if (Array.isArray(object)) this.#elements(object, object.length, SLOT);
    else if (types.isSet(object)) this.#elements(object, object.size, ENTRY);
    else if (types.isMap(object)) {
      this.#elements(object.keys(), object.size, ENTRY);
      this.#elements(object.values(), object.size, 0);
    } else this.#properties(object);
  }

  #elements(elements: Iterable<unknown>, count: number, each: number): void {
    this.bytes += count * each;
    let left = count;
    for (const element of elements) {
      if (this.visits >= MAX_VISITS) break;
      this.#visit(element);
      left--;
    }
    this.skipped += left;
  }

  #properties(object: object): void {
    // for-in walks without listing all keys first; inherited members are the class's, not the instance's.
    for (const key in object) {
      if (!Object.hasOwn(object, key)) continue;
      if (this.visits >= MAX_VISITS) return;
      this.bytes += SLOT + key.length;
      const descriptor = Object.getOwnPropertyDescriptor(object, key);
      this.#visit(descriptor?.value); // an accessor is not called
    }
  }

  #visit(member: unknown): void {
    this.visits++;
    if (typeof member === 'object' && member !== null) this.found.add(member);
    else this.bytes += primitiveBytes(member);
  }
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
