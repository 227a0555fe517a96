/** The command line. */
import { parseArgs } from 'node:util';

const USAGE = `node test/chaos/main.mjs [options]
  --seconds N     each of the 78 rows is under load for N / 6 seconds, at least for one round of its fault (default 60)
  --json FILE     writes the rows there
  --seed N        replays the choices of a run (default: a new one, which is printed)
  --faults a,b,c  only these
  --topology T    standalone, sentinel, cluster or all (default all)
  --nodes N       application processes (default 3)
  --bound MS      the staleness bound (default 500)
  --mix N         so many rows of random mixtures per topology (default 2)
  --mutants [a,b] switches off one guard after the other: each must be noticed
  --workload JSON overrides of workload.mjs, for looking closer
  --short         a round for CI: a few faults, 3 seconds each`;

export function parseOptions(argv) {
  // `--mutants` stands alone or before names.
  const args = argv.map((arg, i) =>
    arg === '--mutants' && (argv[i + 1] === undefined || argv[i + 1].startsWith('--'))
      ? '--mutants=all'
      : arg,
  );
  const text = { type: 'string' };
  const { values } = parseArgs({
    args,
    options: {
      seconds: text,
      json: text,
      seed: text,
      faults: text,
      topology: text,
      nodes: text,
      bound: text,
      mix: text,
      workload: text,
      mutants: text,
      short: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) return { help: USAGE };
  const number = (name, otherwise, least) => {
    if (values[name] === undefined) return otherwise;
    const value = Number(values[name]);
    if (!(value >= least))
      throw new Error(`--${name} ${String(values[name])}: a number from ${least}\n${USAGE}`);
    return value;
  };
  const names = (value) => (value === undefined || value === 'all' ? undefined : value.split(','));
  return {
    seconds: number('seconds', values.short ? 18 : 60, 1),
    json: values.json,
    seed: number('seed', Math.floor(Math.random() * 2 ** 31), 0),
    faults: names(values.faults),
    topologies: names(values.topology),
    nodes: number('nodes', 3, 1),
    boundMs: number('bound', 500, 50),
    mix: number('mix', values.short ? 1 : 2, 0),
    mutants: values.mutants === undefined ? undefined : (names(values.mutants) ?? 'all'),
    workload: values.workload === undefined ? undefined : JSON.parse(values.workload),
    short: values.short ?? false,
  };
}
