import { crc32 } from 'node:zlib';

/** The usual CRC-32 (IEEE 802.3, reflected 0xEDB88320), byte-wise table. */
const TABLE = new Uint32Array(256);
for (let byte = 0; byte < 256; byte++) {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) {
    remainder = remainder & 1 ? 0xedb88320 ^ (remainder >>> 1) : remainder >>> 1;
  }
  TABLE[byte] = remainder >>> 0;
}

/** Below this a call into native code costs more than the loop. */
const NATIVE_FROM = 256;

/** CRC-32 of `bytes[start, end)`, continuing from `seed` (0 to begin). */
export function crcOf(bytes: Buffer, start: number, end: number, seed = 0): number {
  if (end - start >= NATIVE_FROM) return crc32(bytes.subarray(start, end), seed);
  let crc = ~seed;
  for (let i = start; i < end; i++) {
    crc = (TABLE[(crc ^ (bytes[i] as number)) & 0xff] as number) ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}
