import fc from 'fast-check';
import { InterleavedRun } from '../../../test/support/interleaved-run.js';
import { type History, history, lossless } from '../../../test/support/interleaved-steps.js';
import type { NamespaceOptions } from './index.js';

/**
 * The engine over a hub between which and the nodes nothing happens by itself: every request, every answer, every load
 * and every late timer is an event, and a history drawn by fast-check says which comes next, which is lost, who is
 * stopped, cut off or killed, and when time passes. Judged on every history:
 * - P1 bounded: a read that began more than the bound after a write's acknowledgement answers no older version;
 * - P2 strict: the same, with a bound of 0; P7: the same, on the node that wrote, from when its call ended;
 * - P3 nothing is ever answered that was not committed, under its own key;
 * - P4 at rest every tier of every node holds the source's version or nothing;
 * - P5 without losses loads per key and invalidation are bounded by the number of nodes, however many ask;
 * - P6 no call rejects but for the source's own error, and every call ends.
 *
 * MODEL_RUNS histories each (default 25), from MODEL_SEED (default: the day's). A failure prints the shortest history
 * found and how to repeat it: MODEL_SEED with MODEL_PATH. MODEL_SHRINK=0 stops at the first one, which is faster.
 */
const RUNS = Number(process.env['MODEL_RUNS'] ?? 25);
const SEED = Number(process.env['MODEL_SEED'] ?? Date.now() % 2 ** 31);
const PATH = process.env['MODEL_PATH'];
const SHRINK = process.env['MODEL_SHRINK'] !== '0';

/** A tag met only in the value may cost a load that is not stored: documented, so those keys are not counted. */
const KNOWN_TAGS = ['a', 'b'] as const;

type Judge = (history: History, items: NamespaceOptions) => Promise<InterleavedRun>;

const keepsItsPromises: Judge = async (one, items) => {
  const run = new InterleavedRun(one, items);
  await run.play();
  return run;
};

/** One load, and one more per invalidation, over all nodes. */
const loadsFewPerInvalidation: Judge = async (one, items) => {
  const run = await keepsItsPromises(one, items);
  for (const key of KNOWN_TAGS) {
    const most = 1 + run.truth.commits[key];
    if (run.truth.loads[key] > most)
      run.broken.push(
        `${key} was loaded ${run.truth.loads[key]} times with ${run.truth.commits[key]} invalidations`,
      );
  }
  return run;
};

async function explore(
  name: string,
  histories: fc.Arbitrary<History>,
  items: NamespaceOptions,
  judge: Judge,
): Promise<void> {
  const property = fc.asyncProperty(histories, async (one) => {
    const run = await judge(one, items);
    if (run.broken.length > 0) throw new Error(report(run));
  });
  const result = await fc.check(property, {
    numRuns: RUNS,
    seed: SEED,
    endOnFailure: !SHRINK,
    ...(PATH === undefined ? {} : { path: PATH }),
  });
  if (!result.failed) return;
  const { errorInstance, numRuns, numShrinks, seed, counterexamplePath } = result;
  const why = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
  throw new Error(
    `${why}\n\nFound in history ${numRuns} of "${name}", shrunk ${numShrinks} times. ` +
      `Repeat: MODEL_SEED=${seed} MODEL_PATH=${counterexamplePath} npx jest -t '${name}' interleavings`,
  );
}

function report({ broken, trace }: InterleavedRun): string {
  return `${broken.join('\n')}\n\n${trace.join('\n')}`;
}

const NAMESPACES: [string, NamespaceOptions][] = [
  ['bounded', {}],
  ['strict', { consistency: 'strict' }],
  ['short-lived, with grace', { ttl: '1s', grace: '2s', staleWhileRevalidate: 500, refreshAhead: 0.8 }],
  ['L2 only', { tiers: ['l2'] }],
];

describe('every interleaving keeps the promises', () => {
  it.each(NAMESPACES)(
    '%s',
    (name, items) => explore(name, history, items, keepsItsPromises),
    60_000 + RUNS * 500,
  );

  it.each(NAMESPACES.slice(0, 2))(
    '%s without losses: few loads per invalidation',
    (name, items) => explore(`${name} without losses`, lossless, items, loadsFewPerInvalidation),
    60_000 + RUNS * 500,
  );

  it(`ran with seed ${process.env['MODEL_SEED'] ?? 'of the day'}`, () => {
    process.stdout.write(`interleavings: seed ${SEED}, ${RUNS} histories each\n`);
  });
});
