/**
 * HalfSipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; the 32-bit variant) over UTF-16
 * code units: whoever chooses keys but does not know the secret cannot make them collide. For misses only; hits go by
 * the hash that the policy keeps.
 */
export class KeyHash {
  readonly #k0: number;
  readonly #k1: number;

  /** @param secret two random 32-bit integers */
  constructor(secret: readonly [number, number]) {
    this.#k0 = secret[0] | 0;
    this.#k1 = secret[1] | 0;
  }

  /** 32 bits, signed. */
  of(key: string): number {
    let v0 = this.#k0;
    let v1 = this.#k1;
    let v2 = 0x6c796765 ^ this.#k0;
    let v3 = 0x74656462 ^ this.#k1;
    const { length } = key;
    // The words of the message, its length, and three rounds to finish with.
    const words = (length + 1) >> 1;
    for (let i = 0; i < words + 4; i++) {
      let word = 0;
      if (i < words) {
        const at = i * 2;
        word = key.charCodeAt(at) | (at + 1 < length ? key.charCodeAt(at + 1) << 16 : 0);
      } else if (i === words) word = length;
      else if (i === words + 1) v2 ^= 0xff;
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    return v1 ^ v3;
  }
}
