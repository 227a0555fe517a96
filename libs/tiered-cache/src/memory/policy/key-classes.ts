/**
 * What is known of a key at its latest request, in one byte: keys of one class are expected to come back alike.
 * A key seen for the first time has the company it came in (a long run of new keys is a scan); a key that came back
 * has how often it was used and the octave of the time it took, as in LHD's classes by last age (NSDI 2018).
 */
export const NEW_CLASSES = 4;
export const MAX_USES = 15;
export const USE_LEVELS = 6;
/** uses -> level: 2, 3, 4-5, 6-8, 9-12, more. */
const LEVELS = Uint8Array.of(0, 0, 0, 1, 2, 2, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5);
/** level -> uses, for those who kept the class only. */
export const USES_OF_LEVEL = Uint8Array.of(2, 3, 4, 7, 10, 14);

export class KeyClasses {
  /** Classes in all; at most 4 + 6 * 25. */
  readonly count: number;

  /** @param octaves of time that are told apart; longer is one */
  constructor(readonly octaves: number) {
    this.count = NEW_CLASSES + USE_LEVELS * octaves;
  }

  /** @param run how many new keys came in a row, this one included */
  newcomer(run: number): number {
    return run < 4 ? 0 : run < 16 ? 1 : run < 64 ? 2 : 3;
  }

  /** @param uses 2..15 @param age requests since the use before, at least 1 */
  returning(uses: number, age: number): number {
    const octave = 31 - Math.clz32(age);
    const last = this.octaves - 1;
    return NEW_CLASSES + LEVELS[uses]! * this.octaves + (octave < last ? octave : last);
  }

  /** The level of use of a returning class. */
  levelOf(keyClass: number): number {
    return Math.floor((keyClass - NEW_CLASSES) / this.octaves);
  }

  octaveOf(keyClass: number): number {
    return (keyClass - NEW_CLASSES) % this.octaves;
  }

  /** How often a key of this class was used, about. */
  usesOf(keyClass: number): number {
    return keyClass < NEW_CLASSES ? 1 : USES_OF_LEVEL[this.levelOf(keyClass)]!;
  }
}
