/** The network between nodes and Redis. */

const someProxies = ({ topology, random }) => {
  const shuffled = random.shuffled(topology.proxies);
  return shuffled.slice(0, random.integer(1, shuffled.length));
};

export const lineDelay = {
  name: 'line-delay',
  proxied: true,
  topologies: ['standalone'],
  async run(context) {
    const { random, sleep, boundMs } = context;
    const proxies = someProxies(context);
    for (const proxy of proxies)
      proxy.delay(random.pick([5, 40, 120, random.between(boundMs / 2, 2 * boundMs)]));
    await sleep(random.between(300, 1_500));
    await Promise.all(proxies.map((proxy) => proxy.mend()));
  },
};

export const lineDrop = {
  name: 'line-drop',
  proxied: true,
  topologies: ['standalone'],
  async run(context) {
    const { random, sleep, boundMs } = context;
    const proxies = someProxies(context);
    for (let i = random.integer(1, 4); i > 0; i--) {
      await Promise.all(proxies.map((proxy) => proxy.cut()));
      // Refused for a while, or only cut.
      if (random.chance(0.5)) await Promise.all(proxies.map((proxy) => proxy.mend()));
      await sleep(random.between(20, 2 * boundMs));
      await Promise.all(proxies.map((proxy) => proxy.mend()));
      await sleep(random.between(0, 100));
    }
  },
};

/** Nobody says that the line is dead: only the clocks know. */
export const lineHalfOpen = {
  name: 'line-half-open',
  proxied: true,
  topologies: ['standalone'],
  async run(context) {
    const { random, sleep, boundMs } = context;
    const how = random.pick(['silent', 'to-server', 'to-client']);
    const proxies = someProxies(context);
    // Silent: the lines open now are dead for ever, new ones work. Otherwise one direction swallows everything.
    for (const proxy of proxies) {
      if (how === 'silent') proxy.silence();
      else proxy.halfOpen(how);
    }
    await sleep(random.between(boundMs, 4 * boundMs));
    await Promise.all(proxies.map((proxy) => proxy.mend()));
  },
};

/** Answers take long, but come: a poll's is old when it arrives. Longer than the command timeout would be no answer. */
export const pollLate = {
  name: 'poll-late',
  proxied: true,
  topologies: ['standalone'],
  async run(context) {
    const { random, sleep } = context;
    const proxies = someProxies(context);
    for (let i = 0; i < 4; i++) {
      for (const proxy of proxies) proxy.delay(random.between(90, 120));
      await sleep(random.between(200, 500));
      await Promise.all(proxies.map((proxy) => proxy.cut()));
      await Promise.all(proxies.map((proxy) => proxy.mend()));
      await sleep(random.between(20, 60));
    }
    await Promise.all(proxies.map((proxy) => proxy.mend()));
  },
};

/**
 * Over slow lines the log is lost, again and again: nonces are unknown then, so an answer of the shared tier waits for
 * another one, and the log's news of what it names can come in between.
 */
export const lineDelayGap = {
  name: 'line-delay-gap',
  proxied: true,
  topologies: ['standalone'],
  async run({ topology, random, sleep }) {
    for (const proxy of topology.proxies) proxy.delay(random.between(15, 50));
    for (let i = 0; i < 4; i++) {
      await topology.admin((client) => client.eval(LOSE_LOGS, 0));
      await sleep(random.between(800, 1_400));
    }
    await Promise.all(topology.proxies.map((proxy) => proxy.mend()));
  },
};

const LOSE_LOGS = `for _, key in ipairs(redis.call('KEYS', '*#log:*')) do redis.call('DEL', key) end`;
