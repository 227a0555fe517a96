/** The command line of `npm run bench`. */
import { parseArgs } from 'node:util';

export const SUITES = [
  'l1',
  'api',
  'decorator',
  'tiered',
  'batch',
  'stampede',
  'serialise',
  'memory',
  'hit-ratio',
  'http',
  'growth',
];

export const HELP = `Usage: npm run bench -- [options]
  --suite a,b   only these: ${SUITES.join(', ')}
  --quick       fewer and shorter rounds, smaller sizes: under 3 minutes in all
  --json FILE   writes { versions, rows, targets }
  --check       exit 1 when a target of docs/performance.md is missed
  --seed N      of the order of contenders and of random loads (default: another one each time; it is printed)
  --soak N      minutes of mixed load in the suite growth (default: 10 s; with --quick none)
  --build DIR   measures an existing build (a folder with package.json and dist) instead of making one
  --help        this text
The suite hit-ratio replays the traces in the folder STRATA_TRACES, and made-up ones without it.`;

/** A mistake in how the program was called; its message is all the user needs. */
export class UsageError extends Error {
  name = 'UsageError';
}

/**
 * @param {readonly string[]} argv
 * @returns {{ help: boolean, suites: string[], quick: boolean, json?: string, check: boolean, seed: number,
 *   soakMinutes?: number, build?: string }}
 * @throws UsageError
 */
export function readOptions(argv) {
  const values = parse(argv);
  const suites = values.suite === undefined ? SUITES : values.suite.split(',').map((name) => name.trim());
  for (const name of suites)
    if (!SUITES.includes(name))
      throw new UsageError(`--suite: there is no '${name}', only ${SUITES.join(', ')}`);
  return {
    help: values.help === true,
    suites,
    quick: values.quick === true,
    json: values.json,
    check: values.check === true,
    seed: number('--seed', values.seed, /^\d+$/) ?? Math.floor(Math.random() * 2 ** 31),
    soakMinutes: number('--soak', values.soak, /^\d+(\.\d+)?$/),
    build: values.build,
  };
}

function parse(argv) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        suite: { type: 'string' },
        quick: { type: 'boolean' },
        json: { type: 'string' },
        check: { type: 'boolean' },
        seed: { type: 'string' },
        soak: { type: 'string' },
        build: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error.message, { cause: error });
  }
}

function number(option, text, form) {
  if (text === undefined) return undefined;
  if (!form.test(text)) throw new UsageError(`${option} must be a number, not '${text}'`);
  return Number(text);
}
