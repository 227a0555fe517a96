import { randomFillSync } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { CorruptEntryError, InvalidTagError } from '../errors.js';
import { FINGERPRINT_BYTES } from '../remote/remote-tier.js';
import type { DecodedEntry, EntryHeader } from './codec.js';

/*
 * Format 1 of a stored entry; docs/wire-format.md has the table. Little-endian throughout. The first 32 bytes
 * identify the entry (compare-and-set compares them and nothing else), so they hold a random id and the checksum.
 *
 *  0 magic 0xC7 | 1 version | 2 codec | 3 flags | 4 random id x8 | 12 created f64 | 20 expires f64 | 28 crc32
 * 32 staleUntil f64 | 40 loadMs f64 | 48 slidingMs f64 | 56 payload bytes u32 | 60 id length u32
 * 64 schema length u16 | 66 tag count u16 | 68 per tag: length u16, nonce length u16 | strings | payload
 *
 * Strings lie end to end: schema, tag 1, nonce 1, tag 2, ..., original id. One byte per UTF-16 unit when all are
 * below 256 (the rule), two bytes (flag 1) otherwise: exact for any string, and one slice decodes all but the id.
 */
const MAGIC = 0xc7;
export const WIRE_VERSION = 1;
const FLAG_WIDE = 1;
const AT = {
  created: 12,
  expires: 20,
  crc: 28,
  stale: 32,
  load: 40,
  sliding: 48,
  payload: 56,
  id: 60,
  schema: 64,
  tags: 66,
};
const FIXED_BYTES = 68;
const MAX_SHORT = 0xffff;
const WIDE = /[^\0-\xff]/;

/**
 * The strings of the header that was read last: entries of one namespace mostly have the same schema, tags and nonces, and
 * comparing their bytes costs a fifth of reading them.
 */
export class KnownStrings {
  bytes: Buffer | null = null;
  flags = 0;
  strings: HeaderStrings = { tags: [], nonces: [], schema: '', originalId: '' };
}

type HeaderStrings = Readonly<Pick<EntryHeader, 'tags' | 'nonces' | 'schema' | 'originalId'>>;

/**
 * One stored entry: header, then payload. Every call gives another fingerprint.
 * @throws InvalidTagError when tags and nonces do not pair or are too many or too long for the format.
 * @throws RangeError when a number of the header is not one the format can hold: a fault of the engine.
 */
export function encodeEntry(header: EntryHeader, payload: Buffer): Buffer {
  const { tags, nonces, schema, originalId } = header;
  if (tags.length !== nonces.length) throw new InvalidTagError(tags, `come with ${nonces.length} nonces`);
  if (tags.length > MAX_SHORT) throw new InvalidTagError(tags, `are above the maximum of ${MAX_SHORT}`);
  let text = schema;
  for (let i = 0; i < tags.length; i++) text += (tags[i] as string) + (nonces[i] as string);
  text += originalId;
  if (!sound(header) || schema.length > MAX_SHORT || payload.length > 0xffffffff) {
    throw new RangeError('Header out of range: times, codec or schema');
  }
  const wide = WIDE.test(text);
  const stringsAt = FIXED_BYTES + tags.length * 4;
  const payloadAt = stringsAt + (wide ? text.length * 2 : text.length);
  const out = Buffer.allocUnsafe(payloadAt + payload.length);
  out[0] = MAGIC;
  out[1] = WIRE_VERSION;
  out[2] = header.codec;
  out[3] = wide ? FLAG_WIDE : 0;
  out.writeDoubleLE(header.created, AT.created);
  out.writeDoubleLE(header.loadMs, AT.load);
  out.writeDoubleLE(header.slidingMs, AT.sliding);
  out.writeUInt32LE(payload.length, AT.payload);
  out.writeUInt32LE(originalId.length, AT.id);
  out.writeUInt16LE(schema.length, AT.schema);
  out.writeUInt16LE(tags.length, AT.tags);
  for (let i = 0, at = FIXED_BYTES; i < tags.length; i++, at += 4) {
    const tag = tags[i] as string;
    const nonce = nonces[i] as string;
    if (tag.length > MAX_SHORT || nonce.length > MAX_SHORT) throw new InvalidTagError(tag, 'is too long');
    out.writeUInt16LE(tag.length, at);
    out.writeUInt16LE(nonce.length, at + 2);
  }
  out.write(text, stringsAt, wide ? 'utf16le' : 'latin1');
  out.set(payload, payloadAt);
  return seal(out, header.expires, header.staleUntil);
}

/**
 * Checks and takes apart one stored entry; the payload is a view of `buffer`, not a copy.
 * @throws CorruptEntryError 'format' (not an entry, cut short, or contradicting itself), 'version', 'checksum', or
 * 'schema' when `expectedSchema` is given and another. Never anything else, whatever the bytes.
 */
export function decodeEntry(buffer: Buffer, expectedSchema?: string, known?: KnownStrings): DecodedEntry {
  const header = readHeader(buffer, known);
  if (expectedSchema !== undefined && header.schema !== expectedSchema) throw new CorruptEntryError('schema');
  return { header, payload: buffer.subarray(buffer.length - buffer.readUInt32LE(AT.payload)) };
}

/** The header alone, after the same checks. @throws CorruptEntryError as decodeEntry. */
export function readHeader(buffer: Buffer, known?: KnownStrings): EntryHeader {
  const size = buffer.length;
  if (size < FIXED_BYTES || buffer[0] !== MAGIC) throw new CorruptEntryError('format');
  if (buffer[1] !== WIRE_VERSION) throw new CorruptEntryError('version');
  const payloadAt = size - buffer.readUInt32LE(AT.payload);
  if (buffer.readUInt32LE(AT.crc) !== checksum(buffer)) throw new CorruptEntryError('checksum');
  const flags = buffer[3] as number;
  if (flags > FLAG_WIDE) throw new CorruptEntryError('format');
  const strings =
    known === undefined ? readStrings(buffer, payloadAt) : knownOrRead(buffer, payloadAt, known);
  const header: EntryHeader = {
    codec: buffer[2] as number,
    created: buffer.readDoubleLE(AT.created),
    expires: buffer.readDoubleLE(AT.expires),
    staleUntil: buffer.readDoubleLE(AT.stale),
    tags: strings.tags,
    nonces: strings.nonces,
    schema: strings.schema,
    originalId: strings.originalId,
    loadMs: buffer.readDoubleLE(AT.load),
    slidingMs: buffer.readDoubleLE(AT.sliding),
  };
  if (!sound(header)) throw new CorruptEntryError('format');
  return header;
}

/** From the lengths on (offset 60) to the payload all is the same: then so are the strings. */
function knownOrRead(buffer: Buffer, payloadAt: number, known: KnownStrings): HeaderStrings {
  const { bytes } = known;
  const flags = buffer[3] as number;
  if (
    bytes !== null &&
    known.flags === flags &&
    bytes.length === payloadAt - AT.id &&
    bytes.compare(buffer, AT.id, payloadAt) === 0
  )
    return known.strings;
  const strings = readStrings(buffer, payloadAt);
  // A copy: what was received lies in the middle of much else.
  known.bytes = Buffer.from(buffer.subarray(AT.id, payloadAt));
  known.flags = flags;
  known.strings = strings;
  return strings;
}

/** The checksum says the bytes are as written; this guards against a writer with another idea of the format. */
function readStrings(buffer: Buffer, payloadAt: number): HeaderStrings {
  const isWide = buffer[3] === FLAG_WIDE;
  const encoding = isWide ? 'utf16le' : 'latin1';
  const width = isWide ? 2 : 1;
  const count = buffer.readUInt16LE(AT.tags);
  const stringsAt = FIXED_BYTES + count * 4;
  const idAt = payloadAt - buffer.readUInt32LE(AT.id) * width;
  if (idAt < stringsAt) throw new CorruptEntryError('format');
  const text = buffer.toString(encoding, stringsAt, idAt);
  const schemaLength = buffer.readUInt16LE(AT.schema);
  const tags: string[] = [];
  const nonces: string[] = [];
  let at = schemaLength;
  for (let i = 0, entry = FIXED_BYTES; i < count; i++, entry += 4) {
    const nonceAt = at + buffer.readUInt16LE(entry);
    const end = nonceAt + buffer.readUInt16LE(entry + 2);
    tags.push(text.slice(at, nonceAt));
    nonces.push(text.slice(nonceAt, end));
    at = end;
  }
  if (at * width !== idAt - stringsAt) throw new CorruptEntryError('format');
  const schema = text.slice(0, schemaLength);
  const originalId = idAt === payloadAt ? '' : buffer.toString(encoding, idAt, payloadAt);
  return { tags, nonces, schema, originalId };
}

/**
 * The same entry with other times (wall clock ms) and a new random id, for touch and expire. `buffer` is left alone.
 * @throws CorruptEntryError as decodeEntry: damage is never given a fresh checksum.
 */
export function withTimes(buffer: Buffer, times: { expires: number; staleUntil: number }): Buffer {
  const header = readHeader(buffer);
  if (!sound({ ...header, ...times })) throw new RangeError('Header out of range: times');
  return seal(Buffer.from(buffer), times.expires, times.staleUntil);
}

/** What identifies a stored value to compare-and-set. */
export function fingerprint(buffer: Buffer): Buffer {
  return buffer.subarray(0, FINGERPRINT_BYTES);
}

/** Writes times, a new random id and, last, the checksum. */
function seal(out: Buffer, expires: number, staleUntil: number): Buffer {
  out.writeDoubleLE(expires, AT.expires);
  out.writeDoubleLE(staleUntil, AT.stale);
  if (randomAt === RANDOM.length) {
    randomFillSync(RANDOM);
    randomAt = 0;
  }
  RANDOM.copy(out, 4, randomAt, (randomAt += 8));
  out.writeUInt32LE(checksum(out), AT.crc);
  return out;
}

// Asking the system for eight bytes costs a microsecond; for 4 KiB hardly more.
const RANDOM = Buffer.alloc(4096);
let randomAt = RANDOM.length;

/**
 * CRC-32 of the whole entry with the checksum's own place read as zero. Set to zero for the moment of the (native,
 * synchronous) call and put back: one call over one buffer costs a third of two calls over two views.
 */
function checksum(buffer: Buffer): number {
  const stored = buffer.readUInt32LE(AT.crc);
  buffer[28] = buffer[29] = buffer[30] = buffer[31] = 0;
  const computed = crc32(buffer);
  buffer.writeUInt32LE(stored, AT.crc);
  return computed;
}

function sound(header: EntryHeader): boolean {
  const { codec, created, expires, staleUntil, loadMs, slidingMs } = header;
  if (!(codec >= 0 && codec <= 255 && Number.isInteger(codec))) return false;
  if (!Number.isFinite(created) || !(expires > -Infinity) || !(staleUntil >= expires)) return false;
  return loadMs >= 0 && loadMs < Infinity && slidingMs >= 0 && slidingMs < Infinity;
}
