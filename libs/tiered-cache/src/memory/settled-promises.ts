const MOST = 4_096;

/**
 * Settled promises of values that are asked for again and again, so that a hit hands out the one there is in place of a new
 * one. Direct-mapped by slot and of a fixed size: 40 bytes for each entry of L1 would be as much as the rest of it, and a
 * promise that is made for a hit costs 25 ns and no more.
 */
export class SettledPromises {
  readonly #slots: Int32Array;
  readonly #promises: (Promise<unknown> | undefined)[];
  readonly #mask: number;

  constructor(maxEntries: number) {
    const size = Math.min(MOST, 2 ** (32 - Math.clz32(maxEntries - 1)));
    this.#mask = size - 1;
    this.#slots = new Int32Array(size).fill(-1);
    this.#promises = Array.from({ length: size }, () => undefined);
  }

  of(slot: number, value: unknown): Promise<unknown> {
    const at = slot & this.#mask;
    if (this.#slots[at] === slot) return this.#promises[at]!;
    const promise = Promise.resolve(value);
    this.#slots[at] = slot;
    this.#promises[at] = promise;
    return promise;
  }

  /** The value of this slot is another one, or none. */
  forget(slot: number): void {
    const at = slot & this.#mask;
    if (this.#slots[at] !== slot) return;
    this.#slots[at] = -1;
    this.#promises[at] = undefined;
  }

  clear(): void {
    this.#slots.fill(-1);
    void this.#promises.fill(undefined);
  }
}
