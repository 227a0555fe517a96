import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { CorruptEntryError } from '../errors.js';
import type { Encoded } from './codecs.js';

export type CompressionAlgorithm = 'deflate' | 'gzip' | 'brotli' | 'zstd';

type Bytes = (bytes: Buffer, options: object) => Promise<Buffer>;
type BytesNow = (bytes: Buffer, options: object) => Buffer;

interface Algorithm {
  /** In the place of the codec's; never reused. */
  id: number;
  options: object;
  pack: Bytes;
  packNow: BytesNow;
  unpack: Bytes;
  unpackNow: BytesNow;
}

/** Codec, length without compression u32, then the compressed payload. */
const HEAD = 5;
/**
 * Below this zlib works at once: a job for the thread pool costs the event loop 40 to 110 us, compressing 8 KB (at level 1)
 * no more than that, decompressing 16 KB half of it.
 */
const AT_ONCE = { pack: 8 * 1024, unpack: 16 * 1024 };

const { constants } = zlib;
// Only where the running Node has it; its types come with newer ones.
const { zstdCompress, zstdCompressSync, zstdDecompress, zstdDecompressSync } = zlib as unknown as Record<
  string,
  unknown
>;

/** Fast levels: the second half of what can be saved costs three times as long. */
const ALGORITHMS: Partial<Record<CompressionAlgorithm, Algorithm>> = {
  deflate: {
    id: 5,
    options: { level: 1 },
    pack: promisify<Buffer, object, Buffer>(zlib.deflateRaw),
    packNow: zlib.deflateRawSync,
    unpack: promisify<Buffer, object, Buffer>(zlib.inflateRaw),
    unpackNow: zlib.inflateRawSync,
  },
  gzip: {
    id: 6,
    options: { level: 1 },
    pack: promisify<Buffer, object, Buffer>(zlib.gzip),
    packNow: zlib.gzipSync,
    unpack: promisify<Buffer, object, Buffer>(zlib.gunzip),
    unpackNow: zlib.gunzipSync,
  },
  brotli: {
    id: 7,
    options: { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } },
    pack: promisify<Buffer, object, Buffer>(zlib.brotliCompress),
    packNow: zlib.brotliCompressSync,
    unpack: promisify<Buffer, object, Buffer>(zlib.brotliDecompress),
    unpackNow: zlib.brotliDecompressSync,
  },
  ...(typeof zstdCompress === 'function' && {
    zstd: {
      id: 8,
      options: {},
      pack: promisify(zstdCompress as (...args: unknown[]) => void),
      packNow: zstdCompressSync as BytesNow,
      unpack: promisify(zstdDecompress as (...args: unknown[]) => void),
      unpackNow: zstdDecompressSync as BytesNow,
    },
  }),
};

const BY_ID = new Map(Object.values(ALGORITHMS).map((algorithm) => [algorithm.id, algorithm]));

/** What the running Node can do. */
export function compressionAlgorithms(): CompressionAlgorithm[] {
  return Object.keys(ALGORITHMS) as CompressionAlgorithm[];
}

export function isCompressed(codec: number): boolean {
  return codec >= 5 && codec <= 8;
}

/** The payload with and without compression is of this codec and this long. @throws CorruptEntryError */
export function withoutCompression({ codec, payload }: Encoded): { codec: number; bytes: number } {
  if (!isCompressed(codec)) return { codec, bytes: payload.length };
  if (payload.length <= HEAD || isCompressed(payload[0]!)) throw new CorruptEntryError('payload');
  return { codec: payload[0]!, bytes: payload.readUInt32LE(1) };
}

/** Compressed, if that makes it smaller. In the thread pool, or at once where that is no more work for the event loop. */
export function compress(encoded: Encoded, name: CompressionAlgorithm): Encoded | Promise<Encoded> {
  const algorithm = ALGORITHMS[name]!;
  if (encoded.payload.length > AT_ONCE.pack) return compressLater(encoded, algorithm);
  return wrap(encoded, algorithm, algorithm.packNow(encoded.payload, algorithm.options));
}

// An async function's promise is of this realm, as `instanceof` wants it; zlib's is not where a test runs in a realm of its own.
async function compressLater(encoded: Encoded, algorithm: Algorithm): Promise<Encoded> {
  try {
    return wrap(encoded, algorithm, await algorithm.pack(encoded.payload, algorithm.options));
  } catch {
    return encoded; // No memory for it, for instance: then it is stored as it is.
  }
}

function wrap(encoded: Encoded, { id }: Algorithm, packed: Buffer): Encoded {
  const { codec, payload } = encoded;
  if (packed.length + HEAD >= payload.length) return encoded;
  const head = Buffer.allocUnsafe(HEAD);
  head[0] = codec;
  head.writeUInt32LE(payload.length, 1);
  return { codec: id, payload: Buffer.concat([head, packed]) };
}

/** Is `decompress` done at once? */
export function decompressesAtOnce(encoded: Encoded): boolean {
  return withoutCompression(encoded).bytes <= AT_ONCE.unpack;
}

/**
 * The payload as it was. Never more bytes than it says, which are never more than `limit`.
 * @throws CorruptEntryError 'codec' for an algorithm that this Node has not, 'payload'; also as a rejection
 */
export function decompress(encoded: Encoded, limit: number): Encoded | Promise<Encoded> {
  if (!isCompressed(encoded.codec)) return encoded;
  const { codec, bytes } = withoutCompression(encoded);
  const algorithm = BY_ID.get(encoded.codec);
  if (algorithm === undefined) throw new CorruptEntryError('codec');
  if (bytes > limit) throw new CorruptEntryError('payload');
  if (bytes > AT_ONCE.unpack) return decompressLater(encoded, algorithm, codec, bytes);
  try {
    return unwrap(codec, bytes, algorithm.unpackNow(encoded.payload.subarray(HEAD), bounds(bytes)));
  } catch {
    throw new CorruptEntryError('payload');
  }
}

async function decompressLater(
  { payload }: Encoded,
  algorithm: Algorithm,
  codec: number,
  bytes: number,
): Promise<Encoded> {
  try {
    return unwrap(codec, bytes, await algorithm.unpack(payload.subarray(HEAD), bounds(bytes)));
  } catch {
    throw new CorruptEntryError('payload');
  }
}

/** zlib stops there, and wants one byte at least. */
function bounds(bytes: number): { maxOutputLength: number } {
  return { maxOutputLength: Math.max(1, bytes) };
}

function unwrap(codec: number, bytes: number, payload: Buffer): Encoded {
  if (payload.length !== bytes) throw new CorruptEntryError('payload');
  return { codec, payload };
}
