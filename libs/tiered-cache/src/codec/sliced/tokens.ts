/*
 * The payload of codec 4, "sliced": one byte of flags, then one value. Little-endian; a value is a token and what
 * belongs to it. Objects (containers, dates, buffers, ...) are numbered in the order in which they begin, for REF.
 *
 * 0x00-0x7f the number itself
 * STR8 length u8, Latin-1 | STR32 length u32, Latin-1 | WIDE32 length u32 in units, UTF-16LE
 * ARRAY length u32, elements; where the first hole is SPARSE count u32, then index u32 and value of each that is left
 * SHAPE count u8, keys (strings), values: from now on that shape has the next number | OBJECT shape u16, values
 * LONG count u32, key and value of each | BARE the same, without prototype | MAP, SET count u32, members
 * BIGINT negative u8, hexadecimal digits as a string | DATE f64 | BYTES length u32 | VIEW kind u8, length u32, bytes
 * REGEXP source, flags | URL text | ERROR type, message, stack | INSTANCE name, data
 */
export const TOKEN = {
  NULL: 0x80,
  UNDEFINED: 0x81,
  FALSE: 0x82,
  TRUE: 0x83,
  I16: 0x84,
  I32: 0x85,
  F64: 0x86,
  STR8: 0x87,
  STR32: 0x88,
  WIDE32: 0x89,
  BIGINT: 0x8a,
  REF: 0x8b,
  ARRAY: 0x8c,
  SPARSE: 0x8d,
  SHAPE: 0x8e,
  OBJECT: 0x8f,
  LONG: 0x90,
  BARE: 0x91,
  MAP: 0x92,
  SET: 0x93,
  DATE: 0x94,
  BYTES: 0x95,
  VIEW: 0x96,
  REGEXP: 0x97,
  URL: 0x98,
  ERROR: 0x99,
  INSTANCE: 0x9a,
} as const;

/** Flag: arrays, objects and primitives only, which can be frozen. */
export const FLAG_PLAIN = 1;
export const MAX_SHAPES = 0xffff;
/** An object with more keys than this is written with its keys. */
export const MAX_SHAPE_KEYS = 64;

/** By number in VIEW. */
export const VIEWS = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
  DataView,
  ArrayBuffer,
] as const;
/** How they are named: classes of other realms are others. */
export const VIEW_NAMES = VIEWS.map((view) => view.name);
