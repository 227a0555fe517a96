/** Guards of the shared tier: leases, fences, the vector of an entry. */
const SCRIPTS = 'libs/tiered-cache/src/remote/redis/redis-scripts.ts';
const LOADING = 'libs/tiered-cache/src/loading';

export const stored = [
  {
    name: 'lease-token',
    guard: 'a fill counts only while its lease stands',
    patches: [
      {
        file: SCRIPTS,
        find: "if redis.call('GET', l) ~= token or fenced(f) then return 0 end",
        replace: 'if fenced(f) then return 0 end',
      },
    ],
    faults: ['line-delay', 'client-pause'],
  },
  {
    name: 'fence',
    guard: 'nobody fills a key while a fence stands on it',
    patches: [
      {
        file: SCRIPTS,
        find: "if redis.call('EXISTS', f) == 0 then return false end",
        replace: 'if true then return false end',
      },
    ],
    faults: ['none', 'node-kill-commit'],
    workload: { fenced: 1, orm: 0, slowCommit: 0.6, gapAfterCommit: 40 },
  },
  {
    name: 'fence-record',
    guard: 'a fence is in the log, so that L1s let go of the key even if the writer dies',
    patches: [
      {
        file: SCRIPTS,
        find: "return append(KEYS[1], ARGV[1], ARGV[4], '', '')\n`;\n\n/**\n * KEYS: marks",
        replace: "return '1-1'\n`;\n\n/**\n * KEYS: marks",
      },
    ],
    faults: ['node-kill-commit'],
    workload: { fenced: 1, orm: 0 },
    seconds: 12,
  },
  {
    name: 'vector-before-load',
    guard: 'the nonces of an entry are in hand before its load',
    patches: [
      {
        file: `${LOADING}/load-and-store.ts`,
        find: 'const nonces = [...lease.nonces, ...late.map((one) => one.nonce)];',
        replace:
          'const now = await core.remote!.run((tier) => tier.nonces(tags)).catch(() => lease.nonces); const nonces = [...now, ...late.map((one) => one.nonce)];',
      },
    ],
    faults: ['line-delay', 'none'],
    workload: { fenced: 0 },
  },
  {
    name: 'late-tags',
    guard: 'a tag found by the load counts only if its nonce was usable before, and untouched since',
    patches: [
      {
        file: `${LOADING}/load-and-store.ts`,
        find: 'if (!marker.watchLate(tag) || core.pending.hasTag(tag)) return null;',
        replace: 'marker.watchLate(tag);',
      },
      {
        file: `${LOADING}/load-and-store.ts`,
        find: 'state.learntAt <= marker.sequence && !strict',
        replace: '!strict',
      },
    ],
    faults: ['none', 'line-delay'],
    // Seldom, so that what is wrong stays wrong for longer than the bound.
    workload: { loaderDelay: [40, 150, 0.3, 300], writers: 1, writePause: [150, 400] },
    seconds: 16,
  },
];
