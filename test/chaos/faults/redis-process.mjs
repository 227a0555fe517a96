/** The server's process dies, or stands still. */

export const redisKill = {
  name: 'redis-kill',
  losesFences: true,
  async run({ topology, random, sleep }) {
    const server = await topology.primary();
    server.kill('SIGKILL');
    await sleep(random.pick([20, random.between(100, 2_000)]));
    await server.restart();
  },
};

/** Longer than the bound: what was known before proves nothing after. */
export const redisStop = {
  name: 'redis-stop',
  async run({ topology, random, sleep, boundMs }) {
    const server = await topology.primary();
    server.kill('SIGSTOP');
    try {
      await sleep(random.pick([boundMs / 2, random.between(boundMs, 4 * boundMs)]));
    } finally {
      server.kill('SIGCONT');
    }
  },
};
