import v8 from 'node:v8';
import { serialisePaths } from './serialise.mjs';

export async function setup() {
  return serialisePaths(v8.serialize, v8.deserialize);
}
