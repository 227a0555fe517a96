/** Removes what `npm run build` makes, so that no file of an earlier build ships. */
import { rmSync } from 'node:fs';

rmSync(new URL('../dist', import.meta.url), { recursive: true, force: true });
