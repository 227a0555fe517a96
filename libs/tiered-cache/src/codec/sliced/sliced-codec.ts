import type { ClassRegistry } from '../class-registry.js';
import type { Codec } from '../codec.js';
import { Budget, type SliceQueue } from './slice-queue.js';
import { SlicedReader, type SlicedValue } from './sliced-reader.js';
import { SlicedWriter } from './sliced-writer.js';
import { FLAG_PLAIN } from './tokens.js';

/** The codec of big values: everything the rich codec knows, in a format that can be written and read bit by bit. */
export interface SlicedCodec extends Codec {
  /** @throws UnserialisableValueError, EntryTooLargeError as soon as there are more bytes than `limit` */
  write(value: unknown, limit: number, closed: () => boolean): Promise<Buffer>;
  /** @throws CorruptEntryError */
  read(payload: Buffer, freeze: boolean, closed: () => boolean): Promise<SlicedValue>;
  /** Of our own bytes: can everything in it be frozen? */
  isPlain(payload: Buffer): boolean;
}

export const SLICED_ID = 4;

export function createSlicedCodec(classes: ClassRegistry, queue: SliceQueue): SlicedCodec {
  return {
    id: SLICED_ID,
    name: 'sliced',
    encode(value) {
      const writer = new SlicedWriter(value, classes, Infinity);
      writer.step(Budget.unlimited());
      return writer.result;
    },
    decode(payload) {
      const reader = new SlicedReader(payload, classes, false);
      reader.step(Budget.unlimited());
      return reader.result.value;
    },
    write: (value, limit, closed) => queue.run(new SlicedWriter(value, classes, limit), closed),
    read: (payload, freeze, closed) => queue.run(new SlicedReader(payload, classes, freeze), closed),
    isPlain: (payload) => payload[0] === FLAG_PLAIN,
  };
}
