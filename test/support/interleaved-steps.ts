import fc from 'fast-check';
import { type Key, KEYS } from './interleaved-truth.js';

export type ReadKind = 'read' | 'get' | 'peek' | 'batch' | 'fresh' | 'touch' | 'expire';
export type WriteKind = 'delete' | 'tag' | 'other tag' | 'clear' | 'put' | 'pattern' | 'both';
/** Who may talk while time passes: nobody; everybody, but what is on its way already stays there; everybody. */
export type Traffic = 'none' | 'new' | 'all';

export type NodeStep = 'stop' | 'continue' | 'cut' | 'mend' | 'deafen' | 'kill';

/** One step of a history. A step that finds nothing to do does nothing, so that any part of a history is a history. */
export type Step =
  | { do: ReadKind | WriteKind; node: number; key: Key }
  /** One event of those possible, by its age. */
  | { do: 'event' | 'lose' | 'fail'; nth: number }
  /** All messages arrive, of all or of one node, the oldest first; loads go on only with `loads`. */
  | { do: 'flow'; node: number | 'all'; loads: boolean }
  | { do: 'pass'; ms: number; traffic: Traffic }
  | { do: NodeStep; node: number }
  | { do: 'flush' | 'restart' | 'restart with data' | 'punch' }
  | { do: 'trim'; nth: number };

export interface History {
  nodes: number;
  /** Polls and wakes arrive by themselves, but those of deafened nodes. Otherwise they are steps as all else. */
  attentive: boolean;
  steps: Step[];
}

const node = fc.nat({ max: 2 });
const nth = fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, { weight: 3, arbitrary: fc.nat({ max: 6 }) });
const key = fc.constantFrom<Key>('a', 'a', 'a', ...KEYS);

const READS = fc.record({
  do: fc.constantFrom<ReadKind>(
    'read',
    'read',
    'read',
    'read',
    'get',
    'peek',
    'batch',
    'fresh',
    'touch',
    'expire',
  ),
  node,
  key,
});
const WRITES = fc.record({
  do: fc.constantFrom<WriteKind>(
    'delete',
    'delete',
    'tag',
    'tag',
    'other tag',
    'clear',
    'put',
    'put',
    'pattern',
    'both',
  ),
  node,
  key,
});
const EVENT = fc.record({ do: fc.constant('event' as const), nth });
const FLOW = fc.record({
  do: fc.constant('flow' as const),
  node: fc.oneof(fc.constant('all' as const), node),
  loads: fc.boolean(),
});
const PASS = fc.record({
  do: fc.constant('pass' as const),
  ms: fc.constantFrom(1, 20, 60, 130, 260, 520, 1_050, 2_100),
  traffic: fc.constantFrom<Traffic>('new', 'new', 'all', 'none'),
});
const LOSE = fc.record({ do: fc.constantFrom('lose' as const, 'lose' as const, 'fail' as const), nth });
const NODE = fc.record({
  do: fc.constantFrom('stop', 'continue', 'cut', 'mend', 'deafen', 'deafen', 'kill' as const),
  node,
});
const HUB = fc.oneof(
  fc.record({ do: fc.constantFrom('flush', 'restart', 'restart with data', 'punch' as const) }),
  fc.record({ do: fc.constant('trim' as const), nth: fc.nat({ max: 2 }) }),
);

function historyOf(step: fc.Arbitrary<Step>, maxLength: number): fc.Arbitrary<History> {
  return fc.record({
    nodes: fc.constantFrom(2, 1, 3),
    attentive: fc.boolean(),
    steps: fc.array(step, { minLength: 4, maxLength, size: 'max' }),
  });
}

/** Everything that can go wrong. */
export const history = historyOf(
  fc.oneof(
    { weight: 10, arbitrary: READS },
    { weight: 6, arbitrary: WRITES },
    { weight: 20, arbitrary: EVENT },
    { weight: 6, arbitrary: FLOW },
    { weight: 6, arbitrary: PASS },
    { weight: 2, arbitrary: LOSE },
    { weight: 3, arbitrary: NODE },
    { weight: 1, arbitrary: HUB },
  ),
  60,
);

/** Any order, but nothing is lost, late by a timeout, stopped or cut. */
export const lossless = historyOf(
  fc.oneof(
    { weight: 10, arbitrary: READS.filter((step) => !['fresh', 'expire', 'touch'].includes(step.do)) },
    { weight: 5, arbitrary: WRITES.filter((step) => step.do !== 'put') },
    { weight: 24, arbitrary: EVENT },
    { weight: 6, arbitrary: FLOW },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('pass' as const),
        ms: fc.constantFrom(1, 5, 20),
        traffic: fc.constantFrom<Traffic>('new', 'all'),
      }),
    },
  ),
  60,
);
