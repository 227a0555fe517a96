import { serialisePaths } from './serialise.mjs';

export async function setup() {
  return serialisePaths(
    (value) => Buffer.from(JSON.stringify(value)),
    (bytes) => JSON.parse(bytes.toString()),
  );
}
