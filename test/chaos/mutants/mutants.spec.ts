import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { MUTANTS } from './index.mjs';

const ROOT = new URL('../../../', import.meta.url);

describe('the mutants', () => {
  it.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))(
    'take out code that is there: %s',
    async (_, { patches }) => {
      for (const { file, find } of patches) {
        const source = await readFile(fileURLToPath(new URL(file, ROOT)), 'utf8');
        expect(source.split(find)).toHaveLength(2);
      }
    },
  );
});
