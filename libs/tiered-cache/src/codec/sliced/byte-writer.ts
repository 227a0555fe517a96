import { EntryTooLargeError } from '../../errors.js';
import { TOKEN } from './tokens.js';

const FIRST_BYTES = 64 * 1024;
/** Below this a loop is cheaper than a call into native code. */
const SHORT = 24;
const WIDE = /[^\0-\xff]/;

/** Bytes under construction. @throws EntryTooLargeError as soon as there are more than `limit` */
export class ByteWriter {
  private bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  private at = 0;

  constructor(private readonly limit: number) {}

  get length(): number {
    return this.at;
  }

  byte(value: number): void {
    if (this.at === this.bytes.length) this.grow(1);
    this.bytes[this.at++] = value;
  }

  u16(value: number): void {
    this.room(2);
    this.at = this.bytes.writeUInt16LE(value, this.at);
  }

  u32(value: number): void {
    this.room(4);
    this.at = this.bytes.writeUInt32LE(value, this.at);
  }

  f64(value: number): void {
    this.room(8);
    this.at = this.bytes.writeDoubleLE(value, this.at);
  }

  /** The shortest form that is exact. */
  number(value: number): void {
    if (value >= 0 && value < 0x80 && Number.isInteger(value) && !Object.is(value, -0)) {
      this.byte(value);
      return;
    }
    // Also of an integer beyond: -0, which the shorter forms lose, is none of these.
    if ((value | 0) !== value || value === 0) {
      this.byte(TOKEN.F64);
      this.f64(value);
      return;
    }
    this.room(5);
    if (value >= -0x8000 && value < 0x8000) {
      this.bytes[this.at] = TOKEN.I16;
      this.at = this.bytes.writeInt16LE(value, this.at + 1);
    } else {
      this.bytes[this.at] = TOKEN.I32;
      this.at = this.bytes.writeInt32LE(value, this.at + 1);
    }
  }

  text(value: string): void {
    const { length } = value;
    if (length < 256) {
      this.room(2 + length);
      if (this.latin1(value, this.at + 2)) {
        this.bytes[this.at] = TOKEN.STR8;
        this.bytes[this.at + 1] = length;
        this.at += 2 + length;
        return;
      }
    }
    const wide = WIDE.test(value);
    this.room(5 + (wide ? length * 2 : length));
    this.bytes[this.at] = wide ? TOKEN.WIDE32 : TOKEN.STR32;
    this.at = this.bytes.writeUInt32LE(length, this.at + 1);
    this.at += this.bytes.write(value, this.at, wide ? 'utf16le' : 'latin1');
  }

  raw(bytes: Uint8Array): void {
    this.room(bytes.length);
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  /** All of it. `first` goes in place of the first byte, which is known last. */
  finish(first: number): Buffer {
    this.bytes[0] = first;
    const used = this.bytes.subarray(0, this.at);
    // It may be kept for as long as the entry.
    return this.at * 4 < this.bytes.length * 3 ? Buffer.from(used) : used;
  }

  private latin1(value: string, at: number): boolean {
    if (value.length < SHORT) {
      for (let i = 0; i < value.length; i++) {
        const unit = value.charCodeAt(i);
        if (unit > 0xff) return false;
        this.bytes[at + i] = unit;
      }
      return true;
    }
    if (WIDE.test(value)) return false;
    this.bytes.write(value, at, 'latin1');
    return true;
  }

  private room(bytes: number): void {
    if (this.at + bytes > this.bytes.length) this.grow(bytes);
  }

  private grow(bytes: number): void {
    const least = this.at + bytes;
    // What is asked for may be a little more than what is then written.
    if (least > this.limit + 16) throw new EntryTooLargeError(least, this.limit);
    const more = Buffer.allocUnsafeSlow(Math.max(least, Math.min(this.bytes.length * 2, this.limit + 16)));
    more.set(this.bytes.subarray(0, this.at));
    this.bytes = more;
  }
}
