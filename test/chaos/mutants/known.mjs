/** Guards of what a node knows: the validity clock, the nonces under it, and a log with nothing missing. */
const COHERENCE = 'libs/tiered-cache/src/coherence';
const LOG = 'libs/tiered-cache/src/remote/redis/redis-log.ts';

export const known = [
  {
    name: 'validity-clock',
    guard: 'L1 serves only for the bound after the sending of the last complete poll',
    patches: [
      {
        file: `${COHERENCE}/log-follower.ts`,
        find: 'this.validUntil = sentAt + this.boundMs;',
        replace: 'this.validUntil = sentAt + 1e9;',
      },
    ],
    faults: ['line-half-open', 'line-drop'],
  },
  {
    name: 'poll-sending',
    guard: 'the clock counts from the sending of a poll, not from its arrival',
    patches: [
      {
        file: `${COHERENCE}/log-follower.ts`,
        find: 'this.validUntil = sentAt + this.boundMs;',
        replace: 'this.validUntil = this.clock.monotonic() + this.boundMs;',
      },
    ],
    faults: ['poll-late', 'line-delay'],
    seconds: 16,
  },
  {
    name: 'nonces-under-clock',
    guard: 'nonces known locally count only while the validity clock runs',
    patches: [
      {
        file: `${COHERENCE}/vectors.ts`,
        find: 'if (strict || core.clock.monotonic() >= validUntil(core) || core.pending',
        replace: 'if (strict || core.pending',
      },
    ],
    faults: ['line-half-open', 'line-drop', 'node-stop', 'loop-block'],
  },
  {
    name: 'nonce-learning',
    guard: 'a nonce answered is remembered only if no record touched the tag since the question',
    patches: [
      {
        file: `${COHERENCE}/tag-table.ts`,
        find: 'if (state.version !== versionWhenSent || this.states',
        replace: 'if (this.states',
      },
    ],
    faults: ['loop-stutter', 'line-delay', 'redis-stop'],
    workload: { writePause: [2, 8], fenced: 0 },
    seconds: 12,
  },
  {
    name: 'gap',
    guard: 'a record whose predecessor was not read is a gap',
    patches: [
      {
        file: LOG,
        find: "if (field.get('p') !== prev || !keys || !tags) return null;",
        replace: 'if (!keys || !tags) return null;',
      },
    ],
    faults: ['log-trim'],
    seconds: 16,
  },
  {
    name: 'lost-position',
    guard: 'a position that the log does not hold any more is a gap',
    patches: [
      {
        file: LOG,
        find: 'if (entries[0]?.[0] !== from) return null;',
        replace:
          'if (entries[0]?.[0] !== from) { entries = [[from, []], ...entries.map(([id, f], i): [string, string[]] => [id, i === 0 ? ["p", from, ...f.slice(2)] : f])]; }',
      },
    ],
    faults: ['log-trim', 'flushall'],
    seconds: 16,
  },
];
