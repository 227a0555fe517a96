/**
 * A TCP line on loopback that a test can hurt: between a node and its Redis, or between a master and its replica.
 * Plain JavaScript, so that the judge's processes can use it as they are.
 */
import { connect, createServer } from 'node:net';
import { freePort } from '../../apps/services/index.mjs';

/**
 * @param options.to port or `{ host, port }` of the server behind it
 * @param options.port its own; default a free one
 * @returns see tcp-proxy.d.mts
 */
export async function startProxy({ to, port: wanted } = {}) {
  const target = typeof to === 'object' ? to : { port: to };
  const lines = new Set();
  const port = wanted ?? (await freePort());
  let mode = { delayMs: 0, held: false, toServer: true, toClient: true };
  let listener;

  function accept(client) {
    const server = connect({ host: '127.0.0.1', ...target, allowHalfOpen: true, noDelay: true });
    const line = { client, server, silent: false, lost: false };
    lines.add(line);
    line.up = pump(line, client, server, 'toServer');
    line.down = pump(line, server, client, 'toClient');
    for (const [one, other] of [
      [client, server],
      [server, client],
    ]) {
      one.on('error', () => one.destroy()); // the other side learns it by 'close'
      one.on('close', (failed) => {
        // A line that swallows everything swallows the goodbye too.
        const passes = !line.silent && mode.toServer && mode.toClient;
        if (failed && passes) other.destroy();
        else if (failed) line.lost = true;
        if (client.destroyed && server.destroyed) lines.delete(line);
      });
    }
  }

  /** Chunks wait here, in order; the end of the stream is one of them. */
  function pump(line, from, into, direction) {
    const queue = [];
    let timer;
    const flush = () => {
      timer = undefined;
      while (queue.length > 0 && !mode.held) {
        const wait = queue[0].at + mode.delayMs - performance.now();
        if (wait > 0.5) {
          timer = setTimeout(flush, wait);
          return;
        }
        const { chunk } = queue.shift();
        if (line.silent || !mode[direction]) line.lost = true;
        else if (into.destroyed) continue;
        else if (chunk === null) into.end();
        else into.write(chunk);
      }
    };
    const add = (chunk) => {
      queue.push({ chunk, at: performance.now() });
      if (timer === undefined) flush();
    };
    from.on('data', add);
    from.on('end', () => add(null));
    return {
      again() {
        clearTimeout(timer);
        flush();
      },
    };
  }

  function set(change) {
    mode = { ...mode, ...change };
    for (const { up, down } of lines) {
      up.again();
      down.again();
    }
  }

  function destroyLines(which = () => true) {
    for (const line of lines) {
      if (!which(line)) continue;
      line.client.resetAndDestroy();
      line.server.destroy();
    }
  }

  function listen() {
    return new Promise((resolve, reject) => {
      const opened = createServer({ allowHalfOpen: true, noDelay: true }, accept);
      opened.once('error', reject);
      opened.listen({ port, host: '127.0.0.1' }, () => {
        listener = opened;
        resolve();
      });
    });
  }

  async function unlisten() {
    const open = listener;
    listener = undefined;
    if (!open) return;
    const closed = new Promise((resolve) => open.close(() => resolve()));
    destroyLines();
    await closed;
  }

  await listen();
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    get connections() {
      return lines.size;
    },
    delay: (ms) => set({ delayMs: ms }),
    hold: () => set({ held: true }),
    release: () => set({ held: false }),
    drop: () => set({ toServer: false, toClient: false }),
    halfOpen: (passing = 'to-server') =>
      set({ toServer: passing === 'to-server', toClient: passing === 'to-client' }),
    silence() {
      for (const line of lines) line.silent = true;
    },
    cut: unlisten,
    async mend() {
      // TCP does not go on behind a gap: a line that has lost bytes is dead, and now both sides learn it.
      destroyLines(({ lost, silent }) => lost || silent);
      set({ delayMs: 0, held: false, toServer: true, toClient: true });
      if (!listener) await listen();
    },
    stop: unlisten,
  };
}
