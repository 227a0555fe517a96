/** Paths of the suite serialise from two functions; every answer is counted, the bytes are kept from being left out. */
import { makeValue } from '../harness/loop.mjs';

const SMALL = Array.from({ length: 16 }, (_, i) => makeValue(i));
const ROWS = Array.from({ length: 16 }, (_, i) =>
  Array.from({ length: 100 }, (__, j) => makeValue(i * 100 + j)),
);

/**
 * @param {(value: unknown) => Buffer | Promise<Buffer>} encode
 * @param {(bytes: Buffer) => any} decode
 * @param {'sync' | 'async'} kind
 */
export async function serialisePaths(encode, decode, kind = 'sync') {
  const counted = { kind, expected: (n) => n };
  const all = (values) => Promise.all(values.map(async (value) => encode(value)));
  const encoding = {
    ...counted,
    call: 'encode(id)',
    scope: { encode },
    consume: 'sum += value.length > 0 ? 1 : 0;',
  };
  const decoding = { ...counted, call: 'decode(id)', scope: { decode } };
  return {
    paths: {
      'encode a small object': { ...encoding, ids: SMALL },
      'decode a small object': {
        ...decoding,
        ids: await all(SMALL),
        consume: "sum += value.currency === 'USD' ? 1 : 0;",
      },
      'encode 100 rows': { ...encoding, ids: ROWS },
      'decode 100 rows': {
        ...decoding,
        ids: await all(ROWS),
        consume: 'sum += value.length === 100 ? 1 : 0;',
      },
    },
  };
}
