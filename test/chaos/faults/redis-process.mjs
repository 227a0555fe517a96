/** The server's process dies, or stands still. */

export const redisKill = {
  name: 'redis-kill',
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

/**
 * Killed, and started again from a snapshot: values, leases and nonces of a while ago are back, and the log is shorter.
 * Over slow lines, so that there is time to believe it.
 */
export const redisRestore = {
  name: 'redis-restore',
  proxied: true,
  topologies: ['standalone'],
  async run({ topology, random, sleep }) {
    const server = await topology.primary();
    await topology.admin((client) => client.save());
    await sleep(random.between(300, 1_500));
    for (const proxy of topology.proxies) proxy.delay(random.pick([0, random.between(20, 60)]));
    await sleep(random.between(50, 300));
    server.kill('SIGKILL');
    await server.restart();
    await sleep(random.between(300, 1_000));
    await Promise.all(topology.proxies.map((proxy) => proxy.mend()));
  },
};
