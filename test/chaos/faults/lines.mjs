/** The network between nodes and Redis. */

const someProxies = ({ topology, random }) => {
  const shuffled = random.shuffled(topology.proxies);
  return shuffled.slice(0, random.integer(1, shuffled.length));
};

export const lineDelay = {
  name: 'line-delay',
  proxied: true,
  async run(context) {
    const { random, sleep, boundMs } = context;
    const proxies = someProxies(context);
    for (const proxy of proxies) proxy.delay(random.pick([5, 40, 120, random.between(boundMs / 2, 2 * boundMs)]));
    await sleep(random.between(300, 1_500));
    for (const proxy of proxies) proxy.heal();
  },
};

export const lineDrop = {
  name: 'line-drop',
  proxied: true,
  async run(context) {
    const { random, sleep, boundMs } = context;
    const proxies = someProxies(context);
    for (let i = random.integer(1, 4); i > 0; i--) {
      for (const proxy of proxies) proxy.cut({ refuse: random.chance(0.5) });
      await sleep(random.between(20, 2 * boundMs));
      for (const proxy of proxies) proxy.heal();
      await sleep(random.between(0, 100));
    }
  },
};

/** Nobody says that the line is dead: only the clocks know. */
export const lineHalfOpen = {
  name: 'line-half-open',
  proxied: true,
  async run(context) {
    const { random, sleep, boundMs } = context;
    const [up, down] = random.pick([
      [true, true],
      [true, false],
      [false, true],
    ]);
    for (const proxy of someProxies(context)) proxy.halfOpen({ up, down });
    await sleep(random.between(boundMs, 4 * boundMs));
  },
};
