/**
 * What an entry of L2 costs beside its journey: codec, header with one tag and checksum; and back, to a frozen copy. With
 * `compression` until the answer is there, of which the thread pool may have done the most.
 */
import { serialisePaths } from './serialise.mjs';
import { importBuilt } from './strata.mjs';

const TAG = ['#ns:n'];
const NONCE = ['k9Jx2mQ4vT7z'];

export async function setup({ build, codec = 'json', compression = null }) {
  const engine = 'dist/libs/tiered-cache/src';
  const { createCodecs } = await importBuilt(build, `${engine}/codec/codecs.js`);
  const { decodeEntry, encodeEntry } = await importBuilt(build, `${engine}/codec/wire-header.js`);
  const { Delivery } = await importBuilt(build, `${engine}/loading/delivery.js`);
  const codecs = createCodecs();
  await codecs.load(codec);
  const settings = { maxEntryBytes: 2 ** 20, codec, compression, compressionThreshold: 0 };
  const created = Date.now();
  const store = (stored) => {
    const header = {
      codec: stored.codec,
      created,
      expires: created + 60_000,
      staleUntil: created + 60_000,
      tags: TAG,
      nonces: NONCE,
      schema: '',
      originalId: '',
      loadMs: 1,
      slidingMs: 0,
    };
    return encodeEntry(header, stored.payload);
  };
  const then = (value, next) => (value instanceof Promise ? value.then(next) : next(value));
  const encode = (value) =>
    then(
      then(codecs.encodeFor(value, settings), (encoded) => codecs.pack(encoded, settings)),
      store,
    );
  const decode = (bytes) => {
    const { header, payload } = decodeEntry(bytes, '');
    return then(codecs.unpack({ codec: header.codec, payload }, settings), (encoded) =>
      then(Delivery.of(encoded, codecs, 'frozen'), (delivery) => delivery.take()),
    );
  };
  return serialisePaths(encode, decode, compression === null ? 'sync' : 'async');
}
