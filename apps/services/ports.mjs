/** Free ports on the loopback interface. */
import { createServer } from 'node:net';

/**
 * Below the range from which systems take the local ports of outgoing connections, so that a service which
 * died finds its port still free five seconds later; and low enough for Redis Cluster's bus (port + 10000).
 */
const LOWEST = 20_000;
const HIGHEST = 32_000;
const BUS = 10_000;
const handedOut = new Set();

/** Whether a server could listen on 127.0.0.1:port now. */
export function isPortFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** A port nobody listens on; never the same twice from one process. */
export async function freePort() {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    if (handedOut.has(port)) continue;
    if (await isPortFree(port)) {
      handedOut.add(port);
      return port;
    }
  }
  throw new Error(`no free port found on 127.0.0.1 between ${LOWEST} and ${HIGHEST}`);
}

/**
 * A port whose successor by 10,000, where Redis Cluster puts its bus, is free as well, and below the range of
 * outgoing connections too.
 */
export async function freeClusterPort() {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - BUS - LOWEST));
    if (handedOut.has(port) || handedOut.has(port + BUS)) continue;
    if ((await isPortFree(port)) && (await isPortFree(port + BUS))) {
      handedOut.add(port).add(port + BUS);
      return port;
    }
  }
  throw new Error(`no free port found on 127.0.0.1 between ${LOWEST} and ${HIGHEST - BUS} with its bus port`);
}
