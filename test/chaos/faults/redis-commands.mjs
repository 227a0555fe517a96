/** What an administrator, or another tenant, can do to a running Redis. */

const logKeys = async (client) => (await client.keys('*#log*')).filter((key) => key.includes('#log'));

export const clientKill = {
  name: 'client-kill',
  async run({ topology, random, sleep }) {
    for (let i = random.integer(1, 6); i > 0; i--) {
      const type = random.pick(['normal', 'normal', 'pubsub']);
      await topology.admin((client) => client.client('KILL', 'TYPE', type, 'SKIPME', 'yes'));
      await sleep(random.between(0, 300));
    }
  },
};

export const clientPause = {
  name: 'client-pause',
  async run({ topology, random, sleep, boundMs }) {
    const ms = Math.round(random.between(boundMs / 4, 3 * boundMs));
    await topology.admin((client) => client.client('PAUSE', ms, random.pick(['ALL', 'WRITE'])));
    await sleep(ms + 20);
  },
};

export const debugSleep = {
  name: 'debug-sleep',
  async run({ topology, random, boundMs }) {
    const seconds = random.between(boundMs / 4, 3 * boundMs) / 1000;
    await topology.admin((client) => client.call('DEBUG', 'SLEEP', seconds.toFixed(3)));
  },
};

/** Twice in a row now and then: the log of the first is gone before all have seen it. */
export const flushAll = {
  name: 'flushall',
  losesFences: true,
  async run({ topology, random, sleep }) {
    for (let i = random.integer(1, 3); i > 0; i--) {
      await topology.admin((client) => client.flushall());
      await sleep(random.between(0, 300));
    }
  },
};

export const scriptFlush = {
  name: 'script-flush',
  async run({ topology, random, sleep }) {
    for (let i = 0; i < 10; i++) {
      await topology.admin((client) => client.script('FLUSH', random.pick(['SYNC', 'ASYNC'])));
      await sleep(random.between(0, 60));
    }
  },
};

/** So little memory that values, leases, nonces, fences and the log itself are evicted. */
export const evictions = {
  name: 'evictions',
  losesFences: true,
  async run({ topology, random, sleep }) {
    await topology.admin(async (client) => {
      await client.config('SET', 'maxmemory-policy', 'allkeys-lru');
      try {
        for (let i = 0; i < 12; i++) {
          const used = Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))[1]);
          await client.config('SET', 'maxmemory', Math.round(used - random.between(0, 30_000)));
          for (let j = 0; j < 20; j++)
            await client.set(`filler:${i}:${j}`, 'x'.repeat(1_000), 'PX', 500).catch(() => undefined); // OOM is the point
          await sleep(random.between(30, 200));
        }
      } finally {
        await client.config('SET', 'maxmemory', 0);
      }
    });
  },
};

/** No memory for anything new: reads and deletions go on, fills and records are refused, some in mid-script. */
export const outOfMemory = {
  name: 'out-of-memory',
  async run({ topology, random, sleep }) {
    await topology.admin(async (client) => {
      await client.config('SET', 'maxmemory-policy', 'noeviction');
      try {
        for (let i = 0; i < 5; i++) {
          await client.config('SET', 'maxmemory', 1);
          await sleep(random.between(20, 500));
          await client.config('SET', 'maxmemory', 0);
          await sleep(random.between(0, 100));
        }
      } finally {
        await client.config('SET', 'maxmemory', 0);
      }
    });
  },
};

/** What is done to the log while a node looks away, for less than the bound: its L1 serves again at once. */
const behindANode =
  (ways) =>
  async ({ topology, fleet, random, sleep, boundMs }) => {
    for (let i = 0; i < 6; i++) {
      const { node } = random.pick(fleet.nodes.filter(({ live }) => live));
      fleet.signal(node, 'SIGSTOP');
      try {
        await sleep(random.between(20, boundMs / 2));
        await topology.admin(async (client) => {
          for (const key of await logKeys(client)) await random.pick(ways)(client, key, random);
        });
      } finally {
        fleet.signal(node, 'SIGCONT');
      }
      await sleep(random.between(0, 300));
    }
  };

/** The invalidation log shortened, emptied or deleted under its readers. */
export const logTrim = {
  name: 'log-trim',
  run: behindANode([
    (client, key) => client.xtrim(key, 'MAXLEN', 0),
    (client, key) => client.del(key),
    (client, key, random) => client.xtrim(key, 'MAXLEN', random.integer(1, 3)),
  ]),
};

/** A record is lost out of the middle: only the chain shows it. (The newest one can only be deleted by hand.) */
export const logHole = {
  name: 'log-hole',
  run: behindANode([
    async (client, key) => {
      const newest = await client.xrevrange(key, '+', '-', 'COUNT', 2);
      if (newest.length === 2) await client.xdel(key, newest[1][0]);
    },
  ]),
};
