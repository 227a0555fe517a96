import fc from 'fast-check';
import { type Key, KEYS } from './interleaved-truth.js';

const READ_KINDS = ['get', 'peek', 'batch', 'fresh', 'read after', 'touch', 'expire'] as const;
const WRITE_KINDS = [
  'delete',
  'tag',
  'other tag',
  'clear',
  'put',
  'fenced',
  'rolled back',
  'pattern',
  'both',
] as const;
const NODE_FAULTS = ['stop', 'cut', 'deafen', 'kill'] as const;
const HUB_FAULTS = ['flush', 'restart', 'restart with data', 'fail over', 'punch', 'trim'] as const;
const FAULTS = ['lose', 'fail', 'silence', ...NODE_FAULTS, ...HUB_FAULTS] as const;

export type ReadKind = 'read' | (typeof READ_KINDS)[number];
export type WriteKind = (typeof WRITE_KINDS)[number];
export type Fault = (typeof FAULTS)[number];
/** Who may talk while time passes: nobody; everybody, but what is on its way already stays there; everybody. */
export type Traffic = 'none' | 'new' | 'all';
export type NodeStep = (typeof NODE_FAULTS)[number] | 'continue' | 'mend';
export type HubStep = (typeof HUB_FAULTS)[number] | 'replicate';

interface BusinessStep {
  do: ReadKind | WriteKind;
  node: number;
  key: Key;
}

/** One step of a history. A step that finds nothing to do does nothing, so that any part of a history is a history. */
export type Step =
  | BusinessStep
  /** One event of those possible, the nth oldest or the nth newest. */
  | { do: 'event' | 'newest' | 'lose' | 'fail'; nth: number }
  /**
   * All messages arrive, of all or of one node, the oldest first. Loads and transactions go on only with `loads`, and
   * the log is heard only with `polls`.
   */
  | { do: 'flow'; node: number | 'all'; loads: boolean; polls: boolean }
  | { do: 'pass'; ms: number; traffic: Traffic }
  | { do: NodeStep; node: number }
  | { do: HubStep };

export interface History {
  nodes: number;
  /** Polls and wakes arrive by themselves, but those of deafened nodes. Otherwise they are steps as all else. */
  attentive: boolean;
  /** Everything happens to the key 'a'. */
  oneKey: boolean;
  /**
   * What may happen at all. A history that has everything in it has too little of each: swarm testing (Groce et al.,
   * ISSTA 2012).
   */
  reads: readonly ReadKind[];
  writes: readonly WriteKind[];
  faults: readonly Fault[];
  steps: readonly Step[];
}

const node = fc.nat({ max: 2 });
const nth = fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, { weight: 3, arbitrary: fc.nat({ max: 6 }) });
const key = fc.constantFrom<Key>('a', 'a', ...KEYS);

function stepsOf(maxLength: number): fc.Arbitrary<Step[]> {
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 7, arbitrary: fc.record({ do: fc.constant('read' as const), node, key }) },
    { weight: 7, arbitrary: fc.record({ do: fc.constantFrom(...READ_KINDS), node, key }) },
    { weight: 9, arbitrary: fc.record({ do: fc.constantFrom(...WRITE_KINDS), node, key }) },
    { weight: 20, arbitrary: fc.record({ do: fc.constantFrom('event' as const, 'newest' as const), nth }) },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('flow' as const),
        node: fc.oneof(fc.constant('all' as const), node),
        loads: fc.boolean(),
        polls: fc.boolean(),
      }),
    },
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('pass' as const),
        ms: fc.constantFrom(1, 5, 20, 60, 130, 260, 520, 1_050, 2_100),
        traffic: fc.constantFrom<Traffic>('new', 'new', 'all', 'none'),
      }),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('lose' as const, 'fail' as const), nth }) },
    { weight: 6, arbitrary: fc.record({ do: fc.constantFrom(...NODE_FAULTS, 'continue', 'mend'), node }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constantFrom(...HUB_FAULTS, 'replicate') }) },
  );
  return fc.array(step, { minLength: 4, maxLength, size: 'max' });
}

/** Everything that can go wrong, a few of them at a time. */
export const history: fc.Arbitrary<History> = fc.record({
  nodes: fc.constantFrom(2, 2, 1, 3),
  attentive: fc.boolean(),
  oneKey: fc.boolean(),
  reads: fc.subarray([...READ_KINDS], { maxLength: 4 }),
  writes: fc.subarray([...WRITE_KINDS], { minLength: 1, maxLength: 4 }),
  faults: fc.subarray([...FAULTS], { maxLength: 3 }),
  steps: stepsOf(100),
});

/** Any order, but nothing is lost, late by a timeout, stopped or cut. */
export const lossless: fc.Arbitrary<History> = fc.record({
  nodes: fc.constantFrom(2, 2, 1, 3),
  attentive: fc.boolean(),
  oneKey: fc.boolean(),
  reads: fc.subarray(['get', 'peek', 'batch'] as const),
  writes: fc.subarray(['delete', 'tag', 'other tag', 'clear', 'pattern', 'both'] as const, {
    minLength: 1,
    maxLength: 3,
  }),
  faults: fc.constant([]),
  steps: stepsOf(80).map((steps) => steps.filter((step) => step.do !== 'pass' || step.ms <= 20)),
});

const INVERSE: Partial<Record<Fault, NodeStep | HubStep>> = {
  stop: 'continue',
  cut: 'mend',
  'fail over': 'replicate',
};

/** The step as this history has it: what may not happen becomes something of its sort that may. */
export function stepIn({ reads, writes, faults }: History, step: Step): Step | undefined {
  switch (step.do) {
    case 'read':
    case 'event':
    case 'newest':
    case 'flow':
      return step;
    case 'pass':
      return step.traffic === 'none' && !faults.includes('silence') ? { ...step, traffic: 'new' } : step;
    case 'lose':
    case 'fail':
      return faults.includes(step.do) ? step : undefined;
    default:
  }
  if (includes(READ_KINDS, step.do))
    return includes(reads, step.do) ? step : { ...(step as BusinessStep), do: 'read' };
  if (includes(WRITE_KINDS, step.do))
    return { ...(step as BusinessStep), do: nthOf(writes, WRITE_KINDS.indexOf(step.do)) };
  const some: readonly string[] = 'node' in step ? NODE_FAULTS : HUB_FAULTS;
  const sort = 'node' in step ? NODE_STEPS : HUB_STEPS;
  const possible = faults
    .filter((fault) => some.includes(fault))
    .flatMap((fault) => [INVERSE[fault] ?? [], fault].flat());
  if (possible.length === 0) return undefined;
  return { ...step, do: nthOf(possible, sort.indexOf(step.do)) } as Step;
}

const NODE_STEPS: readonly string[] = [...NODE_FAULTS, 'continue', 'mend'];
const HUB_STEPS: readonly string[] = [...HUB_FAULTS, 'replicate'];

function includes<T extends string>(list: readonly T[], one: string): one is T {
  return (list as readonly string[]).includes(one);
}

function nthOf<T>(list: readonly T[], nth: number): T {
  return list[nth % list.length]!;
}
