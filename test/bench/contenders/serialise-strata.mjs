/** What an entry of L2 costs beside its journey: codec, header with one tag and checksum; and back, to a frozen copy. */
import { serialisePaths } from './serialise.mjs';
import { importBuilt } from './strata.mjs';

const TAG = ['#ns:n'];
const NONCE = ['k9Jx2mQ4vT7z'];

export async function setup({ build }) {
  const engine = 'dist/libs/tiered-cache/src';
  const { createCodecs } = await importBuilt(build, `${engine}/codec/codecs.js`);
  const { decodeEntry, encodeEntry } = await importBuilt(build, `${engine}/codec/wire-header.js`);
  const { Delivery } = await importBuilt(build, `${engine}/loading/delivery.js`);
  const codecs = createCodecs();
  const created = Date.now();
  const encode = (value) => {
    const { codec, payload } = codecs.encode(value);
    const header = {
      codec,
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
    return encodeEntry(header, payload);
  };
  const decode = (bytes) => {
    const { header, payload } = decodeEntry(bytes, '');
    return Delivery.decoded({ codec: header.codec, payload }, codecs, 'frozen').take();
  };
  return serialisePaths(encode, decode);
}
