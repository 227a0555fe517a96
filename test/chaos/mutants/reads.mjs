/** Guards of a read: which flight it may join, what may enter L1, and what strict adds. */
const LOADING = 'libs/tiered-cache/src/loading';
const SLOW_LOADS = { loaderDelay: [5, 60, 0.3, 150] };

export const reads = [
  {
    name: 'generation',
    guard: 'a flight begun before an invalidation is joined by nobody after it',
    patches: [
      {
        file: `${LOADING}/flights.ts`,
        find: 'flight.finished || !flight.current',
        replace: 'flight.finished',
      },
    ],
    faults: ['none'],
    workload: SLOW_LOADS,
  },
  {
    name: 'in-flight-marker',
    guard: 'what a record touched meanwhile does not enter L1',
    patches: [
      {
        file: `${LOADING}/admit.ts`,
        find: '!ns.settings.l1 || !marker.clean ||',
        replace: '!ns.settings.l1 ||',
      },
    ],
    // An answer that waits for its nonces is overtaken by a record. (Answers over one line come in order.)
    faults: ['line-delay-gap'],
    workload: { fenced: 0.2, handedOver: 1, writePause: [2, 10] },
    seconds: 16,
  },
  {
    name: 'strict-joins',
    guard: 'a strict read joins no flight already sent',
    patches: [
      {
        file: `${LOADING}/read-through.ts`,
        find: 'return !strict || this.core.remote === null;',
        replace: 'return true || strict;',
      },
    ],
    faults: ['none'],
    workload: SLOW_LOADS,
  },
  {
    name: 'strict-nonces',
    guard: 'a strict read asks for every nonce',
    patches: [
      {
        file: 'libs/tiered-cache/src/coherence/vectors.ts',
        find: 'return strict || core.pending',
        replace: 'return core.pending',
      },
    ],
    faults: ['line-delay', 'none'],
  },
  {
    name: 'min-position',
    guard: 'a demanded position that has not been applied here makes the read strict',
    patches: [
      {
        file: 'libs/tiered-cache/src/cache-core.ts',
        find: 'if (minPosition === undefined || core.log === null) return false;',
        replace: 'if (minPosition !== "never") return false;',
      },
    ],
    faults: ['line-delay', 'loop-stutter'],
    workload: { handedOver: 1 },
  },
];
