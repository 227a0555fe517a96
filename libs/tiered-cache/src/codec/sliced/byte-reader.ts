import { CorruptEntryError } from '../../errors.js';
import { TOKEN } from './tokens.js';

export type ByteView = ArrayBufferView | ArrayBufferLike;

/** Below this a loop is cheaper than a call into native code. */
const SHORT = 12;

/** Reads from the front. Throws, whatever it is, where the bytes end too early: a RangeError of Buffer's own, too. */
export class ByteReader {
  at = 0;
  private readonly end: number;

  constructor(private readonly bytes: Buffer) {
    this.end = bytes.length;
  }

  get atEnd(): boolean {
    return this.at === this.end;
  }

  peek(): number | undefined {
    return this.bytes[this.at];
  }

  byte(): number {
    if (this.at >= this.end) short();
    return this.bytes[this.at++]!;
  }

  u16(): number {
    return this.bytes.readUInt16LE((this.at += 2) - 2);
  }

  u32(): number {
    return this.bytes.readUInt32LE((this.at += 4) - 4);
  }

  i16(): number {
    return this.bytes.readInt16LE((this.at += 2) - 2);
  }

  i32(): number {
    return this.bytes.readInt32LE((this.at += 4) - 4);
  }

  f64(): number {
    return this.bytes.readDoubleLE((this.at += 8) - 8);
  }

  /** A view. */
  raw(length: number): Buffer {
    if (length > this.end - this.at) short();
    return this.bytes.subarray(this.at, (this.at += length));
  }

  /** The string behind `token`. */
  text(token: number): string {
    if (token === TOKEN.STR8) return this.latin1(this.byte());
    if (token === TOKEN.STR32) return this.latin1(this.u32());
    if (token !== TOKEN.WIDE32) return short();
    const length = this.u32() * 2;
    if (length > this.end - this.at) short();
    return this.bytes.toString('utf16le', this.at, (this.at += length));
  }

  private latin1(length: number): string {
    if (length > this.end - this.at) short();
    const { bytes, at } = this;
    this.at += length;
    if (length > SHORT) return bytes.toString('latin1', at, at + length);
    let text = '';
    for (let i = at; i < at + length; i++) text += String.fromCharCode(bytes[i]!);
    return text;
  }
}

function short(): never {
  throw new CorruptEntryError('payload');
}
