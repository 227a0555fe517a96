/** Guards of a write: after COMMIT, and never lost while its process lives. */

export const writes = [
  {
    name: 'after-commit',
    guard: 'the subscriber invalidates after COMMIT, not when the row is written',
    patches: [
      {
        file: 'src/typeorm/cache-subscriber.ts',
        find: 'this.runner(queryRunner).add(writes);',
        replace: 'if (writes.length > 0) return this.gate.send(batch(writes));',
      },
    ],
    faults: ['none'],
    workload: { orm: 1 },
  },
  {
    name: 'bypass',
    guard: 'an unanswered invalidation is bypassed on its node',
    patches: [
      {
        file: 'libs/tiered-cache/src/coherence/invalidator.ts',
        find: "sent.bypass();\n      this.apply(change, 'local');",
        replace: '',
      },
    ],
    faults: ['redis-stop', 'line-delay', 'line-drop'],
  },
  {
    name: 'append-after-reply',
    guard: 'on a cluster the record is appended only when all entries and tags have been changed',
    patches: [
      {
        file: 'libs/tiered-cache/src/remote/redis/cluster/cluster-tier.ts',
        find: 'const tags = [...new Set(change.tags)];',
        replace:
          'const tags = [...new Set(change.tags)]; const early = await this.append(this.records([...tokens.keys()], tags, pattern));',
      },
      {
        file: 'libs/tiered-cache/src/remote/redis/cluster/cluster-tier.ts',
        find: 'return this.append(this.records([...tokens.keys()], tags, pattern));',
        replace: 'return early;',
      },
    ],
    topology: 'cluster',
    faults: ['none', 'loop-stutter'],
    workload: { fenced: 0 },
    seconds: 12,
  },
];
