import type { EntryKey } from '../../remote-tier.js';
import { take } from '../redis-arguments.js';
import type { RedisKeys } from '../redis-keys.js';
import type { ClusterNodes, NodeLink } from './cluster-nodes.js';

/**
 * Walks the keys of all masters, one after the other. A key that moves from a master not walked yet to one already
 * walked is missed; it does not move twice, so when slots were moving there is a second walk. A key may come in
 * several batches, never twice in one.
 */
export async function* scanMasters(
  nodes: ClusterNodes,
  keys: RedisKeys,
  prefix: string,
  batch: number,
): AsyncIterable<EntryKey[]> {
  const before = await slotsAtRest(nodes);
  yield* walk(nodes, keys, prefix, batch);
  const after = await slotsAtRest(nodes);
  if (before === null || before !== after) yield* walk(nodes, keys, prefix, batch);
}

async function* walk(
  nodes: ClusterNodes,
  keys: RedisKeys,
  prefix: string,
  batch: number,
): AsyncIterable<EntryKey[]> {
  const pattern = keys.scanPattern(prefix);
  const found = new Set<EntryKey>();
  for (const link of nodes.masters()) {
    let cursor = '0';
    do {
      const [next, names] = await link.connection.run((client) =>
        client.scan(cursor, 'MATCH', pattern, 'COUNT', 1_000),
      );
      cursor = next;
      for (const name of names) {
        const entry = keys.entryOf(name);
        if (entry !== null) found.add(entry);
      }
      while (found.size >= batch) yield take(found, batch);
    } while (cursor !== '0');
  }
  if (found.size > 0) yield take(found, batch);
}

/** How often slots have changed owners; null while one is moving. @throws RemoteUnavailableError */
async function slotsAtRest(nodes: ClusterNodes): Promise<number | null> {
  await nodes.refresh();
  const moving = await Promise.all(nodes.masters().map(isMoving));
  return moving.includes(true) ? null : nodes.version;
}

/** Its own line of CLUSTER NODES ends with `[slot->-id]` and `[slot-<-id]` for what it gives and takes. */
async function isMoving({ connection }: NodeLink): Promise<boolean> {
  const text = String(await connection.run((client) => client.cluster('NODES')));
  return /^.*\bmyself\b.*\[/m.test(text);
}
