/**
 * What may be encoded in one go, at most 2 ms on a slow machine: members and units of text, roughly bytes. What is bigger
 * is written, and read, in slices (codec 4).
 */
export const AT_ONCE = 64 * 1024;
/** Of a member, whatever it holds. */
const MEMBER = 8;

/** Counts what is looked at anyway. */
export class Allowance {
  private left: number;

  constructor(most: number = AT_ONCE) {
    this.left = most;
  }

  static unlimited(): Allowance {
    return new Allowance(Infinity);
  }

  get exceeded(): boolean {
    return this.left < 0;
  }

  /** False when that is too much: whoever walks stops. */
  members(count: number): boolean {
    return (this.left -= count * MEMBER) >= 0;
  }

  units(length: number): boolean {
    return (this.left -= length) >= 0;
  }
}
