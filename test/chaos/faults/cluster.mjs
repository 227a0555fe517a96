/** What only a cluster does: masters change, and slots move under their keys. */

/** A master dies and its replica takes over, or it hands over in agreement. */
export const clusterFailover = {
  name: 'cluster-failover',
  topologies: ['cluster'],
  async run({ topology, random, sleep }) {
    const server = await topology.primary();
    if (random.chance(0.3)) await topology.failover(server.id);
    else {
      server.kill('SIGKILL');
      await topology.settled();
      await sleep(random.between(0, 300));
      await server.restart();
    }
    await topology.settled();
  },
};

/** Slots with keys in them move to another master, halfway for a while. */
export const slotMigration = {
  name: 'slot-migration',
  topologies: ['cluster'],
  async run({ topology, random, sleep }) {
    for (let i = 0; i < 4; i++) {
      const { from, slot } = await topology.usedSlot();
      const to = random.pick((await topology.masters()).filter(({ id }) => id !== from.id));
      if (slot !== undefined) await topology.migrateSlot(slot, to.id, { pauseMs: random.pick([0, 20, 150]) });
      await sleep(random.between(0, 100));
    }
  },
};
