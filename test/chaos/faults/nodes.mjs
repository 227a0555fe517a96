/** A node dies, stands still, or loses its sense of time. */

const DEAD_WITHIN_MS = 5_000;

async function dieBy(command, { fleet, random, sleep }) {
  const { node } = random.pick(fleet.nodes.filter(({ live }) => live));
  fleet.tell(node, command);
  await fleet.untilDead(node, DEAD_WITHIN_MS);
  await sleep(random.between(0, 500));
  await fleet.spawn(node);
  await fleet.ask(node, 'go');
}

/** kill -9 between COMMIT and its hook: only a fence can keep the promise. */
export const nodeKillCommit = {
  name: 'node-kill-commit',
  workload: { fenced: 0.9 },
  run: (context) => dieBy('dieAtCommit', context),
};

/** kill -9 of a lease holder in the middle of its load: costs the others one lease. */
export const nodeKillLoad = { name: 'node-kill-load', run: (context) => dieBy('dieInLoad', context) };

/** Longer than the bound: what it knew before proves nothing after. */
export const nodeStop = {
  name: 'node-stop',
  async run({ fleet, random, sleep, boundMs }) {
    const { node } = random.pick(fleet.nodes.filter(({ live }) => live));
    fleet.signal(node, 'SIGSTOP');
    try {
      await sleep(random.between(boundMs, 3 * boundMs));
    } finally {
      fleet.signal(node, 'SIGCONT');
    }
  },
};

/** The event loop stands still for longer than the bound, several times. */
export const loopBlock = {
  name: 'loop-block',
  async run({ fleet, random, sleep, boundMs }) {
    const { node } = random.pick(fleet.nodes.filter(({ live }) => live));
    await fleet.ask(node, 'block', { ms: random.between(boundMs, 2.5 * boundMs) });
    await sleep(random.between(0, 50));
    await fleet.ask(node, 'block', { ms: random.between(boundMs / 4, boundMs) });
  },
};

/** Short blocks, far below the bound: answers pile up and are read in one go, in whatever order the code takes them. */
export const loopStutter = {
  name: 'loop-stutter',
  async run({ fleet, random, sleep }) {
    for (let i = 0; i < 30; i++) {
      const { node } = random.pick(fleet.nodes.filter(({ live }) => live));
      fleet.tell(node, 'block', { ms: random.between(3, 60) });
      await sleep(random.between(5, 60));
    }
  },
};

/** Wall clocks of some nodes jump, by minutes and by hours, either way: less than the entries live, and more. */
export const wallClock = {
  name: 'wall-clock',
  async run({ fleet, random, sleep }) {
    const nodes = fleet.nodes.filter(({ live }) => live);
    try {
      for (let i = 0; i < 4; i++) {
        const ms = random.pick([-1, 1]) * random.pick([30_000, 600_000, 7_200_000, 2 * 86_400_000]);
        await fleet.ask(random.pick(nodes).node, 'shift', { ms });
        await sleep(random.between(50, 400));
      }
    } finally {
      await fleet.all('shift', { ms: 0 });
    }
  },
};
