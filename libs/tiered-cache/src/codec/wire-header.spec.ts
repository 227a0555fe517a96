import { randomInt } from 'node:crypto';
import fc from 'fast-check';
import { CorruptEntryError, InvalidTagError } from '../errors.js';
import type { EntryHeader } from './codec.js';
import { decodeEntry, encodeEntry, fingerprint, readHeader, WIRE_VERSION, withTimes } from './wire-header.js';

const seed = Number(process.env.FC_SEED ?? randomInt(2 ** 31));
const SEEDED = { seed, numRuns: 150 };

const HEADER: EntryHeader = {
  codec: 1,
  created: 1_763_683_200_000.5,
  expires: 1_763_683_260_000,
  staleUntil: 1_763_683_320_000,
  tags: ['instruments', 'symbol:AAPL'],
  nonces: ['n0nce-one', 'n0nce-two'],
  schema: '2',
  originalId: '',
  loadMs: 12.5,
  slidingMs: 0,
};
const PAYLOAD = Buffer.from('{"symbol":"AAPL","price":271.49}');

const text = fc.string({ unit: fc.oneof(fc.constantFrom('a', ':', 'é', '中', '😀', '\0'), fc.integer({ min: 0, max: 0xffff }).map((c) => String.fromCharCode(c))) }); // prettier-ignore
const time = fc.double({ min: 0, max: 1e15, noNaN: true });
const headers: fc.Arbitrary<EntryHeader> = fc
  .record({
    codec: fc.integer({ min: 0, max: 255 }),
    created: time,
    expires: fc.oneof(time, fc.constant(Infinity)),
    stale: time,
    vector: fc.array(fc.tuple(text, text), { maxLength: 5 }),
    schema: text,
    originalId: text,
    loadMs: time,
    slidingMs: time,
  })
  .map(({ stale, vector, ...rest }) => ({
    ...rest,
    staleUntil: rest.expires + stale,
    tags: vector.map(([tag]) => tag),
    nonces: vector.map(([, nonce]) => nonce),
  }));

function reasonOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof CorruptEntryError) return error.reason;
    throw error;
  }
  return 'accepted';
}

/** Recomputes the checksum after tampering, as a writer with other ideas would have. */
function resealed(entry: Buffer, tamper: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(entry);
  tamper(bytes);
  bytes.writeUInt32LE(0, 28);
  bytes.writeUInt32LE(crc32Reference(bytes), 28);
  return bytes;
}

/** CRC-32 bit by bit, independent of zlib. */
function crc32Reference(bytes: Buffer): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  }
  return ~crc >>> 0;
}

describe(`a stored entry (FC_SEED=${seed})`, () => {
  it('comes back as it was, header and payload', () => {
    fc.assert(
      fc.property(headers, fc.uint8Array({ maxLength: 300 }), (header, payload) => {
        const decoded = decodeEntry(encodeEntry(header, Buffer.from(payload)), header.schema);
        expect(decoded.header).toEqual(header);
        expect([...decoded.payload]).toEqual([...payload]);
      }),
      SEEDED,
    );
  });

  it('has another fingerprint each time it is written', () => {
    const seen = new Set(
      Array.from({ length: 2_000 }, () => fingerprint(encodeEntry(HEADER, PAYLOAD)).toString('hex')),
    );
    expect(seen.size).toBe(2_000);
    expect(fingerprint(encodeEntry(HEADER, PAYLOAD))).toHaveLength(32);
  });

  it('is rejected, and nothing else happens, when cut short or extended anywhere', () => {
    const entry = encodeEntry({ ...HEADER, originalId: '中'.repeat(20) }, PAYLOAD);
    for (let length = 0; length < entry.length; length++) {
      expect(reasonOf(() => decodeEntry(entry.subarray(0, length)))).toMatch(/^(format|checksum)$/);
    }
    expect(reasonOf(() => decodeEntry(Buffer.concat([entry, Buffer.alloc(1)])))).toMatch(
      /^(format|checksum)$/,
    );
  });

  it('is rejected with any bit flipped', () => {
    const entry = encodeEntry(HEADER, PAYLOAD);
    for (let bit = 0; bit < entry.length * 8; bit++) {
      const flipped = Buffer.from(entry);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(reasonOf(() => decodeEntry(flipped))).toMatch(/^(format|version|checksum)$/);
      expect(reasonOf(() => readHeader(flipped))).toMatch(/^(format|version|checksum)$/);
    }
  });

  it('rejects any bytes with a typed error only, even under a valid checksum', () => {
    const entry = encodeEntry(HEADER, PAYLOAD);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(reasonOf(() => decodeEntry(Buffer.from(bytes)))).not.toBe('accepted');
      }),
      SEEDED,
    );
    const edits = fc.array(fc.tuple(fc.nat(entry.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(edits, (list) => {
        const odd = resealed(entry, (bytes) => list.forEach(([at, byte]) => (bytes[at] = byte)));
        // Contradictions are found; harmless edits (a time, a letter) are another valid entry.
        expect(reasonOf(() => decodeEntry(odd))).toMatch(/^(format|version|accepted)$/);
      }),
      { ...SEEDED, numRuns: 1_000 },
    );
  });

  it('never allocates what a forged length asks for', () => {
    for (const at of [56, 60]) {
      const forged = resealed(encodeEntry(HEADER, PAYLOAD), (bytes) => bytes.writeUInt32LE(0xffff_fff0, at));
      expect(reasonOf(() => decodeEntry(forged))).toBe('format');
    }
    for (const at of [64, 66, 68, 70]) {
      const forged = resealed(encodeEntry(HEADER, PAYLOAD), (bytes) => bytes.writeUInt16LE(0xffff, at));
      expect(reasonOf(() => decodeEntry(forged))).toBe('format');
    }
  });

  it('says why: another version, another schema, unknown flags, impossible times', () => {
    const entry = encodeEntry(HEADER, PAYLOAD);
    expect(reasonOf(() => decodeEntry(resealed(entry, (bytes) => (bytes[1] = WIRE_VERSION + 1))))).toBe(
      'version',
    );
    expect(reasonOf(() => decodeEntry(entry, '3'))).toBe('schema');
    expect(reasonOf(() => decodeEntry(entry))).toBe('accepted');
    expect(reasonOf(() => decodeEntry(resealed(entry, (bytes) => (bytes[3] = 0x80))))).toBe('format');
    expect(reasonOf(() => decodeEntry(resealed(entry, (bytes) => bytes.writeDoubleLE(NaN, 20))))).toBe(
      'format',
    );
    expect(reasonOf(() => decodeEntry(resealed(entry, (bytes) => bytes.writeDoubleLE(0, 32))))).toBe(
      'format',
    );
  });

  it('takes other times without touching the rest, under another fingerprint', () => {
    const entry = encodeEntry(HEADER, PAYLOAD);
    const before = Buffer.from(entry);
    const moved = withTimes(entry, { expires: 5, staleUntil: Infinity });
    expect(decodeEntry(moved, '2')).toEqual({
      header: { ...HEADER, expires: 5, staleUntil: Infinity },
      payload: PAYLOAD,
    });
    expect(entry.equals(before)).toBe(true);
    expect(fingerprint(moved).equals(fingerprint(entry))).toBe(false);
    expect(moved.subarray(4, 12).equals(entry.subarray(4, 12))).toBe(false);
  });

  it('gives damage no fresh checksum', () => {
    const damaged = encodeEntry(HEADER, PAYLOAD);
    damaged[damaged.length - 1]! ^= 1;
    expect(reasonOf(() => withTimes(damaged, { expires: 5, staleUntil: 6 }))).toBe('checksum');
  });

  it('refuses to be written with an unpaired vector or numbers that mean nothing', () => {
    expect(() => encodeEntry({ ...HEADER, nonces: ['one'] }, PAYLOAD)).toThrow(InvalidTagError);
    expect(() => encodeEntry({ ...HEADER, tags: ['x'.repeat(70_000)], nonces: ['n'] }, PAYLOAD)).toThrow(
      InvalidTagError,
    );
    for (const wrong of [
      { expires: NaN },
      { staleUntil: 0 },
      { created: Infinity },
      { codec: 256 },
      { loadMs: -1 },
    ]) {
      expect(() => encodeEntry({ ...HEADER, ...wrong }, PAYLOAD)).toThrow(RangeError);
    }
    expect(() => withTimes(encodeEntry(HEADER, PAYLOAD), { expires: 6, staleUntil: 5 })).toThrow(RangeError);
  });

  it('reads entries of a slice of a larger buffer', () => {
    const entry = encodeEntry(HEADER, PAYLOAD);
    const within = Buffer.concat([Buffer.alloc(7, 1), entry, Buffer.alloc(9, 2)]).subarray(
      7,
      7 + entry.length,
    );
    expect(decodeEntry(within, '2').payload.equals(PAYLOAD)).toBe(true);
  });
});

describe('format 1 on the wire', () => {
  // Written by version 1 and stored in somebody's Redis. If this test fails, the format has changed: give it
  // another version number, keep reading this one, and add a fixture beside it.
  const FIXTURE =
    'c70101004cf67fabdae034d60008c05e3baa79420000666d3baa7942b5081fe200000c7c3baa79420000000000002940' +
    '00000000000000002000000000000000010002000b0009000b00090032696e737472756d656e74736e306e63652d6f6e' +
    '6573796d626f6c3a4141504c6e306e63652d74776f7b2273796d626f6c223a224141504c222c227072696365223a3237' +
    '312e34397d';

  it('still reads what version 1 wrote', () => {
    const entry = Buffer.from(FIXTURE, 'hex');
    expect(decodeEntry(entry, '2')).toEqual({ header: HEADER, payload: PAYLOAD });
  });

  it('still writes what version 1 wrote, but for the random id', () => {
    const entry = encodeEntry(HEADER, PAYLOAD);
    const expected = resealed(Buffer.from(FIXTURE, 'hex'), (bytes) => entry.copy(bytes, 4, 4, 12));
    expect(entry.toString('hex')).toBe(expected.toString('hex'));
  });

  it('still reads wide strings as version 1 wrote them', () => {
    const entry = Buffer.from(
      'c7010101806b4af9d0ecd43c0008c05e3baa79420000666d3baa794276baeed000000c7c3baa79420000000000' +
        '002940000000000000000001000000020000000100010006000100e9006b007500720073003a002d4e6e00a903' +
        '00d831',
      'hex',
    );
    expect(decodeEntry(entry).header).toMatchObject({
      tags: ['kurs:中'],
      nonces: ['n'],
      schema: 'é',
      originalId: 'Ω\ud800',
    });
  });
});
