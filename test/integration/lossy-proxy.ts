import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A TCP line to a server on loopback that a test can hold, or swallow everything on. */
export interface LossyProxy {
  url: string;
  /** What clients send waits here until `release`. */
  hold(): void;
  release(): void;
  /** Connections that exist now go silent for ever, without a FIN or RST; new ones work. */
  blackhole(): void;
  close(): Promise<void>;
}

export async function lossyProxy(targetPort: number): Promise<LossyProxy> {
  const pairs = new Set<{ client: Socket; server: Socket; dead: boolean }>();
  let held = false;
  const listener = createServer((client) => {
    const server = connect(targetPort, '127.0.0.1');
    const pair = { client, server, dead: false };
    pairs.add(pair);
    client.on('data', (data) => pair.dead || server.write(data));
    server.on('data', (data) => pair.dead || client.write(data));
    if (held) client.pause();
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('error', () => one.destroy()); // the other side's business
      one.on('close', () => {
        pairs.delete(pair);
        if (!pair.dead) other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  return {
    url: `redis://127.0.0.1:${(listener.address() as AddressInfo).port}`,
    hold() {
      held = true;
      for (const { client } of pairs) client.pause();
    },
    release() {
      held = false;
      for (const { client } of pairs) client.resume();
    },
    blackhole() {
      for (const pair of pairs) pair.dead = true;
    },
    async close() {
      for (const { client, server } of pairs) {
        client.destroy();
        server.destroy();
      }
      await new Promise((resolve) => listener.close(resolve));
    },
  };
}
