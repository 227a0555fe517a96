/** Another server takes over, and what it holds may be older than what was answered. */

/**
 * The line to the replica swallows the tail, then the master dies: acknowledged invalidations are undone in the shared
 * tier, old values are back, and the log is shorter.
 */
export const failoverTail = {
  name: 'failover-tail',
  topologies: ['sentinel'],
  detour: true,
  async run({ topology, random, sleep }) {
    const { proxy, master } = await topology.replicateVia();
    await sleep(random.between(200, 600));
    proxy.drop();
    await sleep(random.between(100, 900));
    // Now and then the successor answers reads before it takes writes: nobody can vouch for it yet.
    if (random.chance(0.5)) await topology.pauseWrites(master, 3_000);
    master.kill('SIGKILL');
    await topology.failedOver(master);
    await sleep(random.between(0, 300));
    await proxy.stop();
    await master.restart();
    await topology.inSync();
  },
};

/** The master only stands still, and wakes up when another one has taken over: for a while there are two. */
export const failoverStop = {
  name: 'failover-stop',
  topologies: ['sentinel'],
  detour: true,
  async run({ topology, random, sleep }) {
    const { proxy, master } = await topology.replicateVia();
    proxy.delay(random.between(50, 300));
    await sleep(random.between(200, 600));
    master.kill('SIGSTOP');
    try {
      await topology.failedOver(master);
      await sleep(random.between(0, 300));
    } finally {
      master.kill('SIGCONT');
    }
    await topology.inSync();
    await proxy.stop();
  },
};

/** The replica lags and catches up; nothing fails over, and nobody may notice. */
export const replicaLag = {
  name: 'replica-lag',
  topologies: ['sentinel'],
  detour: true,
  async run({ topology, random, sleep }) {
    const { proxy } = await topology.replicateVia();
    for (let i = 0; i < 3; i++) {
      proxy.delay(random.between(50, 500));
      await sleep(random.between(100, 500));
    }
    proxy.delay(0);
    await topology.inSync();
  },
};
