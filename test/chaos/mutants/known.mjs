/** Guards of what a node knows: the validity clock, the nonces under it, and a log with nothing missing. */
const COHERENCE = 'libs/tiered-cache/src/coherence';
const LOG = 'libs/tiered-cache/src/remote/redis/redis-log.ts';
/** Few writes, so that what is wrong stays wrong for longer than the bound. */
const SELDOM = { writers: 1, writePause: [100, 300] };
/** Many rows, and few readers of each. */
const COLD = { keys: 240, hot: 240, groups: 60, fenced: 0, readPause: [20, 60], writePause: [10, 30] };
const BELIEVES_ALL = {
  file: 'libs/tiered-cache/src/cache-core.ts',
  find: 'if (log === null || log.believes(tag)) return true;',
  replace: 'if (log !== undefined) return true;',
};

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
    guard: 'the shared tier is judged by the nonces known locally only while the validity clock runs',
    patches: [
      {
        file: `${COHERENCE}/log-follower.ts`,
        find: 'this.proven && this.clock.monotonic() < this.validUntil && this.vouched',
        replace: 'this.proven && this.vouched',
      },
    ],
    // Entries that nobody has read again since their tag was invalidated, read by a node that has slept meanwhile.
    faults: ['loop-block', 'node-stop'],
    workload: COLD,
    seconds: 24,
  },
  {
    name: 'shared-under-clock',
    guard:
      'the shared tier is believed only while the clock runs, and after a lost connection once a poll has come back',
    // Either alone is covered by the other: opening the log anew is a gap for whoever has asked before.
    patches: [
      BELIEVES_ALL,
      {
        file: 'libs/tiered-cache/src/loading/judge.ts',
        find: 'if (!(await believes(core, ns)) || marker.gapped) throw unbelievable();',
        replace: '',
      },
    ],
    faults: ['redis-restore'],
    seconds: 16,
  },
  {
    name: 'failover-guard',
    guard: 'a data set that nobody has vouched for is not believed',
    patches: [
      {
        file: `${COHERENCE}/log-follower.ts`,
        find: "if (page.unvouched.length > 0 && (await this.vouch(page))) return 'more';",
        replace: '',
      },
      {
        file: `${COHERENCE}/log-follower.ts`,
        find: 'for (const tag of page.unvouched) this.vouched.delete(tag);',
        replace: '',
      },
    ],
    topology: 'sentinel',
    faults: ['failover-tail'],
    workload: SELDOM,
    seconds: 12,
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
    // Answers of several masters come in any order.
    topology: 'cluster',
    faults: ['loop-stutter', 'redis-stop'],
    workload: { writePause: [2, 8], fenced: 0, orm: 0, handedOver: 1, hot: 4 },
    seconds: 12,
  },
  {
    name: 'gap',
    guard: 'a record whose predecessor was not read is a gap',
    patches: [
      {
        file: LOG,
        find: "if (field.get('p') !== place.id || !keys || !tags) return null;",
        replace: 'if (!keys || !tags) return null;',
      },
    ],
    faults: ['log-hole'],
    workload: SELDOM,
    seconds: 16,
  },
  {
    name: 'lost-position',
    guard: 'a position that the log does not hold any more is a gap',
    patches: [
      {
        file: LOG,
        find: 'const [first] = entries;\n  if (first?.[0] !== from.id) return null;',
        replace:
          'if (entries[0]?.[0] !== from.id) entries = [[from.id, ["p", from.prev ?? ""]], ...entries.map(([id, f], i): StreamEntry => [id, i === 0 ? ["p", from.id, ...f.slice(2)] : f])];\n  const first = entries[0]!;',
      },
    ],
    faults: ['log-trim', 'flushall'],
    seconds: 16,
  },
];
