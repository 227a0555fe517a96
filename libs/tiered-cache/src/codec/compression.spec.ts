import { deflateRawSync } from 'node:zlib';
import { randomBytes } from 'node:crypto';
import { CorruptEntryError } from '../errors.js';
import { createCodecs, type Encoded, type StorageSettings } from './codecs.js';
import { compress, compressionAlgorithms, decompress, isCompressed } from './compression.js';

const LIMIT = 1 << 20;
const text = (bytes: number): Encoded => ({ codec: 1, payload: Buffer.from(JSON.stringify('a rather dull text. '.repeat(bytes / 20))) }); // prettier-ignore

describe('compression', () => {
  it.each(compressionAlgorithms())('%s: small and big payloads come back, and are shorter', async (name) => {
    for (const bytes of [1_000, 10_000, 100_000, 1_000_000]) {
      const encoded = text(bytes);
      const packed = await compress(encoded, name);
      expect(isCompressed(packed.codec)).toBe(true);
      expect(packed.payload.length).toBeLessThan(encoded.payload.length / 4);
      const back = await decompress(packed, LIMIT);
      expect([back.codec, back.payload.equals(encoded.payload)]).toEqual([1, true]);
    }
  });

  it('is left away where it does not help', async () => {
    for (const bytes of [0, 1, 100, 1_000, 100_000]) {
      const encoded = { codec: 4, payload: randomBytes(bytes) };
      expect(await compress(encoded, 'deflate')).toBe(encoded);
      expect(await decompress(encoded, LIMIT)).toBe(encoded);
    }
  });

  it('of small payloads is done at once, of big ones in the thread pool', async () => {
    const small = compress(text(4_000), 'deflate');
    expect(small).not.toBeInstanceOf(Promise);
    expect(decompress(small as Encoded, LIMIT)).not.toBeInstanceOf(Promise);
    const big = compress(text(200_000), 'deflate');
    expect(big).toBeInstanceOf(Promise);
    expect(decompress(await big, LIMIT)).toBeInstanceOf(Promise);
  });

  const bomb = (declared: number, real: number): Encoded => {
    const head = Buffer.alloc(5);
    head[0] = 1;
    head.writeUInt32LE(declared, 1);
    return { codec: 5, payload: Buffer.concat([head, deflateRawSync(Buffer.alloc(real))]) };
  };
  it.each<[string, Encoded]>([
    ['more bytes than an entry may have', bomb(200_000_000, 200_000_000)],
    ['more bytes than it says, in the thread pool', bomb(100_000, 200_000_000)],
    ['more bytes than it says, at once', bomb(100, 200_000_000)],
    ['fewer bytes than it says', bomb(1_000, 10)],
    ['none', bomb(0, 10)],
    ['damage', { codec: 5, payload: Buffer.from([1, 100, 0, 0, 0, 255, 255, 255]) }],
    ['nothing', { codec: 5, payload: Buffer.alloc(0) }],
    ['a head only', { codec: 6, payload: Buffer.from([1, 1, 0, 0, 0]) }],
    ['itself inside', { codec: 6, payload: Buffer.from([6, 1, 0, 0, 0, 1]) }],
  ])('refuses %s, and allocates no more than allowed', async (_name, stored) => {
    const before = process.memoryUsage().rss;
    await expect((async () => decompress(stored, LIMIT))()).rejects.toThrow(CorruptEntryError);
    expect(process.memoryUsage().rss - before).toBeLessThan(60e6);
  });

  it('by an algorithm that this Node has not is a miss', () => {
    if (compressionAlgorithms().includes('zstd')) return;
    expect(() => decompress({ codec: 8, payload: Buffer.from([1, 1, 0, 0, 0, 1]) }, LIMIT)).toThrow('codec');
  });

  it('begins at the threshold', async () => {
    const codecs = createCodecs();
    const settings: StorageSettings = { maxEntryBytes: LIMIT, codec: 'json', compression: 'deflate', compressionThreshold: 2_000 }; // prettier-ignore
    const at = async (bytes: number, how = settings) =>
      isCompressed((await codecs.pack({ codec: 1, payload: Buffer.alloc(bytes, 'a') }, how)).codec);
    expect([await at(1_999), await at(2_000)]).toEqual([false, true]);
    expect(await at(100_000, { ...settings, compression: null })).toBe(false);
  });
});
