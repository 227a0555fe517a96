import { Packr } from 'msgpackr';
import { serialisePaths } from './serialise.mjs';

/** Without shared structures: every entry must be readable by itself. */
export async function setup() {
  const packr = new Packr({ useRecords: false });
  return serialisePaths(
    (value) => packr.pack(value),
    (bytes) => packr.unpack(bytes),
  );
}
