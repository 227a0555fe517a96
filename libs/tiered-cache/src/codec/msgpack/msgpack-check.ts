import { CorruptEntryError } from '../../errors.js';
import { MAX_DEPTH } from '../json-codec.js';

/** MessagePack extension types that are written here. */
const UNDEFINED = 0x00;
const RECORD = 0x72;
const SET = 0x73;
const TIMESTAMP = 0xff;
const FIRST_RECORD = 0x40;
const LAST_RECORD = 0x7f;

/**
 * Walks MessagePack before msgpackr reads it: only what is written here, all lengths within the bytes there are, nesting
 * no deeper than is written, every record defined, no `__proto__` among the keys. msgpackr knows many more extensions
 * (among them those that others have registered in this process), which nobody shall reach by writing to the shared tier.
 * @throws CorruptEntryError 'payload'
 */
export function checkMsgpack(bytes: Buffer, from: number, isPlain: boolean): void {
  new Check(bytes, from, isPlain).all();
}

class Check {
  /** How many keys each record has, by its token. */
  private readonly records: number[] = [];

  constructor(
    private readonly bytes: Buffer,
    private at: number,
    private readonly isPlain: boolean,
  ) {}

  all(): void {
    this.value(0);
    if (this.at !== this.bytes.length) corrupt();
  }

  private value(depth: number): void {
    const token = this.u8();
    if (token < FIRST_RECORD || token >= 0xe0) return;
    // Containers count from the root's, a Set and its array as one.
    if (depth > MAX_DEPTH) corrupt();
    if (token <= LAST_RECORD) return this.members(this.records[token] ?? corrupt(), depth);
    if (token < 0x90) return this.map(token & 0x0f, depth);
    if (token < 0xa0) return this.members(token & 0x0f, depth);
    if (token < 0xc0) return this.skip(token & 0x1f);
    switch (token) {
      case 0xc0: // nil
      case 0xc2: // false
      case 0xc3: // true
        return;
      case 0xc4:
        return this.binary(this.u8());
      case 0xc5:
        return this.binary(this.u16());
      case 0xc6:
        return this.binary(this.u32());
      case 0xca: // float 32
      case 0xce: // uint 32
      case 0xd2: // int 32
        return this.skip(4);
      case 0xcb: // float 64
      case 0xcf: // uint 64
      case 0xd3: // int 64
        return this.skip(8);
      case 0xcc: // uint 8
      case 0xd0: // int 8
        return this.skip(1);
      case 0xcd: // uint 16
      case 0xd1: // int 16
        return this.skip(2);
      case 0xd9:
        return this.skip(this.u8());
      case 0xda:
        return this.skip(this.u16());
      case 0xdb:
        return this.skip(this.u32());
      case 0xdc:
        return this.members(this.u16(), depth);
      case 0xdd:
        return this.members(this.u32(), depth);
      case 0xde:
        return this.map(this.u16(), depth);
      case 0xdf:
        return this.map(this.u32(), depth);
      default:
        return this.extension(token, depth);
    }
  }

  private extension(token: number, depth: number): void {
    if (token === 0xd4) {
      const type = this.u8();
      if (type === RECORD) return this.record(depth);
      if (this.u8() !== 0) corrupt();
      if (type === UNDEFINED) return;
      if (type !== SET) corrupt();
      this.typed();
      const next = this.bytes[this.at]!;
      if (!((next >= 0x90 && next < 0xa0) || next === 0xdc || next === 0xdd)) corrupt();
      return this.value(depth);
    }
    const length = token === 0xd6 ? 4 : token === 0xd7 ? 8 : token === 0xc7 ? this.u8() : corrupt();
    if (this.u8() !== TIMESTAMP || (token === 0xc7 && length !== 12)) corrupt();
    this.typed();
    this.skip(length);
  }

  /** The keys of a record, and the values of the first that has them. */
  private record(depth: number): void {
    const token = this.u8();
    if (token < FIRST_RECORD || token > LAST_RECORD) corrupt();
    const head = this.u8();
    const count = head >= 0x90 && head < 0xa0 ? head & 0x0f : head === 0xdc ? this.u16() : head === 0xdd ? this.u32() : corrupt(); // prettier-ignore
    if (count > this.bytes.length - this.at) corrupt();
    for (let i = 0; i < count; i++) this.key();
    this.records[token] = count;
    this.members(count, depth);
  }

  private key(): void {
    const token = this.u8();
    const length = token >= 0xa0 && token < 0xc0 ? token & 0x1f : token === 0xd9 ? this.u8() : token === 0xda ? this.u16() : token === 0xdb ? this.u32() : corrupt(); // prettier-ignore
    const from = this.at;
    this.skip(length);
    // Its first byte tells nearly all others apart.
    if (
      length === 9 &&
      this.bytes[from] === 0x5f &&
      this.bytes.toString('latin1', from, this.at) === '__proto__'
    )
      corrupt();
  }

  private map(count: number, depth: number): void {
    this.typed();
    this.members(count * 2, depth);
  }

  private members(count: number, depth: number): void {
    // Each is a byte at least.
    if (count > this.bytes.length - this.at) corrupt();
    for (let i = 0; i < count; i++) this.value(depth + 1);
  }

  private binary(length: number): void {
    this.typed();
    this.skip(length);
  }

  private typed(): void {
    if (this.isPlain) corrupt();
  }

  private skip(length: number): void {
    if (length > this.bytes.length - this.at) corrupt();
    this.at += length;
  }

  private u8(): number {
    return this.at < this.bytes.length ? this.bytes[this.at++]! : corrupt();
  }

  private u16(): number {
    return this.u8() * 0x100 + this.u8();
  }

  private u32(): number {
    return this.u16() * 0x10000 + this.u16();
  }
}

function corrupt(): never {
  throw new CorruptEntryError('payload');
}
