/** A TCP line to a server on loopback that can be slow, cut, refused, or silent in one or both directions. */
import { connect, createServer } from 'node:net';

export async function startProxy(targetPort) {
  const pairs = new Set();
  /** Milliseconds that each piece takes; whether new connections are refused. */
  const state = { delayMs: 0, refusing: false };

  function pass(from, to, pair, side) {
    let queue = Promise.resolve();
    from.on('data', (data) => {
      if (pair.dead[side]) return;
      if (state.delayMs === 0 && !pair.queued) return void to.write(data);
      // In order: what came later may not overtake, not even when the delay shrinks.
      pair.queued = true;
      const until = performance.now() + state.delayMs;
      queue = queue.then(async () => {
        const ms = until - performance.now();
        if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
        if (!pair.dead[side] && !to.destroyed) to.write(data);
      });
    });
    from.on('error', () => from.destroy()); // the other side's business
    from.on('close', () => {
      pairs.delete(pair);
      // A half-open line: nobody hears that the other end has gone.
      if (!pair.dead.up && !pair.dead.down) to.destroy();
    });
  }

  const listener = createServer((client) => {
    if (state.refusing) return client.destroy();
    const server = connect(targetPort, '127.0.0.1');
    client.setNoDelay(true);
    server.setNoDelay(true);
    const pair = { client, server, dead: { up: false, down: false }, queued: false };
    pairs.add(pair);
    pass(client, server, pair, 'up');
    pass(server, client, pair, 'down');
  });
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));

  const proxy = {
    port: listener.address().port,
    delay: (ms) => void (state.delayMs = ms),
    /** Cuts what is open; with `refuse`, nobody gets through until `heal`. */
    cut({ refuse = false } = {}) {
      state.refusing = refuse;
      for (const { client, server } of pairs) {
        client.destroy();
        server.destroy();
      }
    },
    /** Connections open now lose what is sent up (to the server), down, or both, for ever; new ones work. */
    halfOpen({ up = true, down = true } = {}) {
      for (const pair of pairs) pair.dead = { up, down };
    },
    heal: () => Object.assign(state, { delayMs: 0, refusing: false }),
    async close() {
      proxy.cut({ refuse: true });
      await new Promise((resolve) => listener.close(resolve));
    },
  };
  return proxy;
}
