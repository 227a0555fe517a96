import { CorruptEntryError, MissingPackageError } from '../../errors.js';
import { checkMsgpack } from './msgpack-check.js';

/** What is used of msgpackr, which is an optional peer: its own types would be needed by everybody's compiler. */
interface Packr {
  pack(value: unknown): Buffer;
  unpack(bytes: Buffer): unknown;
}

export const MSGPACK_ID = 3;
const FLAG_PLAIN = 1;

/**
 * The payload of codec 3: one byte of flags (1: arrays, objects and primitives only), then MessagePack with msgpackr's
 * records: the keys of an object are written once per entry and shape, so that plain objects are told from Maps, and rows
 * are half as long. Nothing is shared between entries (docs/decisions/0019).
 */
export class MsgpackCodec {
  readonly id = MSGPACK_ID;
  private packr: Packr | null = null;
  private loading: Promise<void> | null = null;

  constructor(private readonly importPackage: () => Promise<{ Packr: unknown }> = importMsgpackr) {}

  get isLoaded(): boolean {
    return this.packr !== null;
  }

  /** Once, whoever asks. @throws MissingPackageError */
  load(): Promise<void> {
    return (this.loading ??= this.loadOnce());
  }

  private async loadOnce(): Promise<void> {
    let Packr: unknown;
    try {
      ({ Packr } = await this.importPackage());
    } catch (error) {
      throw new MissingPackageError('msgpackr', "codec: 'msgpack'", { cause: error });
    }
    this.packr = new (Packr as new (options: object) => Packr)(OPTIONS);
  }

  /** Of what `msgpackExactness` has found exact. Once loaded. */
  encode(value: unknown, isPlain: boolean): Buffer {
    const packed = this.packr!.pack(value);
    // A copy: the packer writes one value behind the other into one buffer, all of which would be kept.
    const payload = Buffer.allocUnsafe(packed.length + 1);
    payload[0] = isPlain ? FLAG_PLAIN : 0;
    payload.set(packed, 1);
    return payload;
  }

  /** Once loaded. @throws CorruptEntryError */
  decode(payload: Buffer): unknown {
    if (!(payload[0]! <= FLAG_PLAIN)) throw new CorruptEntryError('payload');
    checkMsgpack(payload, 1, payload[0] === FLAG_PLAIN);
    try {
      return this.packr!.unpack(payload.subarray(1));
    } catch {
      throw new CorruptEntryError('payload');
    }
  }

  isPlain(payload: Buffer): boolean {
    return payload[0] === FLAG_PLAIN;
  }
}

const OPTIONS = {
  useRecords: true,
  // With records, maps are Maps.
  mapsAsObjects: false,
  moreTypes: true,
  structuredClone: false,
  // Else Buffers would be views of bytes that other readers decode, too.
  copyBuffers: true,
  int64AsType: 'bigint',
} as const;

function importMsgpackr(): Promise<{ Packr: unknown }> {
  return import('msgpackr');
}
