/** The database says no, or hangs up. */

/** Writers' connections are cut, before, in and after their COMMIT: some never learn what became of it. */
export const pgTerminate = {
  name: 'pg-terminate',
  async run({ database, random, sleep }) {
    for (let i = 0; i < 10; i++) {
      await database.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'chaos-writer' AND random() < 0.5`,
      );
      await sleep(random.between(5, 120));
    }
  },
};

/** A deferred constraint refuses the transaction at COMMIT itself. */
export const refusedCommit = { name: 'refused-commit', workload: { refuse: 0.4 } };
