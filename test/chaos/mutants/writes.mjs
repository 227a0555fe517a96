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
        find: "strikeOff = core.pending.add(change);\n      this.apply(change, 'local');",
        replace: 'strikeOff = () => undefined;',
      },
    ],
    faults: ['redis-stop', 'line-delay', 'line-drop'],
  },
];
