/** A Redis Cluster on loopback, joined by the commands that redis-cli would send. */
import { setTimeout as sleep } from 'node:timers/promises';
import { freeClusterPort } from './ports.mjs';
import { ask, eventually, fields, info } from './redis-ask.mjs';
import { dataServerArgs, openRedisRun, startRedisServer } from './redis-server.mjs';

const SLOTS = 16_384;

/**
 * Starts the servers, joins them, and waits until every one of them sees the whole and the replicas are in sync.
 *
 * @param options.masters default 3
 * @param options.replicasPerMaster default 1
 * @param options.nodeTimeoutMs cluster-node-timeout, default 1000
 * @param options.args more command line arguments for each server
 * @param options.debug, options.run, options.log, options.signal as startRedis has them
 * @returns `{ nodes, node(id), topology(), settled(), migrateSlot(slot, toId, { pauseMs }), failover(masterId, { mode }),
 *   stop() }`; a node is `{ host, port, url, id, role, masterId, pid, kill(signal), restart(), stop() }` with the role
 *   it was given at first, `topology()` says what holds now
 */
export async function startCluster(options = {}) {
  const { masters = 3, replicasPerMaster = 1 } = options;
  const shared = await openRedisRun(options);
  const nodes = [];
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    await shared.close();
  };
  try {
    const count = masters * (1 + replicasPerMaster);
    const starting = await Promise.allSettled(
      Array.from({ length: count }, async () => nodes.push(await startNode(options, shared))),
    );
    const failed = starting.find(({ status }) => status === 'rejected');
    if (failed) throw failed.reason;
    await join(nodes, masters);
    await settled(nodes, replicasPerMaster);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    nodes,
    node: (id) => nodes.find((node) => node.id === id),
    topology: () => topology(nodes),
    settled: () => settled(nodes, 0),
    migrateSlot: (slot, toId, how) => migrateSlot(nodes, slot, toId, how),
    failover: (masterId, how) => failover(nodes, masterId, how),
    stop,
  };
}

async function startNode({ args = [], debug, nodeTimeoutMs = 1000, log, signal }, shared) {
  const port = await freeClusterPort();
  const node = await startRedisServer({
    ...shared,
    name: 'Redis Cluster node',
    log,
    signal,
    port,
    args: (dir, version) =>
      dataServerArgs({
        listen: ['--port', String(port)],
        dir,
        version,
        debug,
        args: [
          ['--cluster-enabled', 'yes', '--cluster-node-timeout', String(nodeTimeoutMs)],
          ['--cluster-announce-ip', '127.0.0.1', '--cluster-allow-replica-migration', 'no'],
          // CLUSTER SLOTS lists a replica once its offset is above 0; only pings move that of an empty master.
          ['--repl-diskless-sync-delay', '0', '--repl-ping-replica-period', '1'],
          args,
        ].flat(),
      }),
  });
  return Object.assign(node, { host: '127.0.0.1', url: `redis://127.0.0.1:${port}` });
}

/** The first ones become masters and share the slots; the rest replicate them in turn. */
async function join(nodes, masters) {
  await Promise.all(
    nodes.map(async (node, i) => {
      node.id = await ask(node.port, 'CLUSTER', 'MYID');
      // Equal epochs would have to be sorted out while the cluster forms.
      await ask(node.port, 'CLUSTER', 'SET-CONFIG-EPOCH', i + 1);
      if (i >= masters) return;
      const first = Math.floor((i * SLOTS) / masters);
      const end = Math.floor(((i + 1) * SLOTS) / masters);
      // ADDSLOTSRANGE is Redis 7's.
      await ask(
        node.port,
        'CLUSTER',
        'ADDSLOTS',
        ...Array.from({ length: end - first }, (_, k) => first + k),
      );
    }),
  );
  for (const { port } of nodes.slice(1)) await ask(nodes[0].port, 'CLUSTER', 'MEET', '127.0.0.1', port);
  for (const [i, node] of nodes.entries()) {
    node.role = i < masters ? 'master' : 'replica';
    if (i < masters) continue;
    node.masterId = nodes[i % masters].id;
    // Refused until gossip has told it of its master.
    await eventually(`replica on port ${node.port}`, async () => {
      await ask(node.port, 'CLUSTER', 'REPLICATE', node.masterId);
      return true;
    });
  }
}

/**
 * Resolves when every node that lives says so: all slots served, nobody suspected who lives, `replicas` of each
 * master at least listed, and each replica in sync.
 */
async function settled(nodes, replicas) {
  await eventually('a whole cluster', async () => {
    const views = (await Promise.all(nodes.map(look))).filter(Boolean);
    const ports = new Set(views.map(({ port }) => port));
    const complaints = views.flatMap(({ port, state, link, slots, known }) => {
      const suspects = known.filter((one) => ports.has(one.port) && /fail|handshake|noaddr/.test(one.flags));
      return [
        state.cluster_state !== 'ok' && 'the cluster is not ok',
        Number(state.cluster_slots_ok) !== SLOTS && `${state.cluster_slots_ok} slots are ok`,
        link.role !== 'master' && link.master_link_status !== 'up' && 'it does not reach its master',
        slots.some(([, , ...servers]) => servers.length <= replicas) && 'replicas are missing',
        known.length !== nodes.length && `${known.length} nodes are known`,
        ...suspects.map((one) => `port ${one.port} is ${one.flags}`),
      ]
        .filter(Boolean)
        .map((what) => `on port ${port} ${what}`);
    });
    if (views.length === 0) complaints.push('nobody answers');
    // A failover that some have not heard of yet would let the next question be asked of the wrong node.
    if (new Set(views.map(({ known }) => opinion(known))).size > 1) complaints.push('they disagree');
    if (complaints.length > 0) throw new Error(complaints.join('; '));
    return true;
  });
}

/** Who owns what and who follows whom, in comparable form. */
function opinion(known) {
  return JSON.stringify(
    known.map(({ id, masterId, slots }) => [id, masterId, slots]).toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
}

/** What one node says; undefined when it does not answer. */
async function look({ port }) {
  try {
    const [state, link, slots, known] = await Promise.all([
      ask(port, 'CLUSTER', 'INFO').then(fields),
      info(port, 'replication'),
      ask(port, 'CLUSTER', 'SLOTS'),
      ask(port, 'CLUSTER', 'NODES').then(parseNodes),
    ]);
    return link && { port, state, link, slots, known };
  } catch {
    return undefined; // killed, stopped, or starting
  }
}

/** `[{ id, port, role, masterId, slots: [first, last][], alive }]` as the first live node with a vote sees it. */
async function topology(nodes) {
  const views = (await Promise.all(nodes.map(look))).filter(Boolean);
  const view = views.find(({ state }) => state.cluster_state === 'ok') ?? views[0];
  if (!view) throw new Error('no node of the cluster answers');
  const alive = new Set(views.map(({ port }) => port));
  return view.known.map(({ id, port, flags, masterId, slots }) => ({
    id,
    port,
    role: flags.includes('master') ? 'master' : 'replica',
    ...(masterId ? { masterId } : {}),
    slots,
    alive: alive.has(port),
  }));
}

function parseNodes(text) {
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [id, address, flags, masterId, , , , , ...slots] = line.split(' ');
      return {
        id,
        port: Number(/:(\d+)/.exec(address)?.[1]),
        flags,
        masterId: masterId === '-' ? undefined : masterId,
        // `[93-<-id]` and `[93->-id]` are slots that are moving: not ranges.
        slots: slots
          .filter((range) => !range.startsWith('['))
          .map((range) => range.split('-').map(Number))
          .map(([first, last = first]) => [first, last]),
      };
    });
}

/**
 * Moves a slot with its keys while clients go on. `pauseMs` after each step of ten keys leaves the slot halfway for
 * so long (at least once, also when it is empty).
 */
async function migrateSlot(nodes, slot, toId, { pauseMs = 0 } = {}) {
  const known = await topology(nodes);
  const from = known.find(({ slots }) => slots.some(([first, last]) => first <= slot && slot <= last));
  const to = known.find(({ id }) => id === toId);
  if (!from || !to) throw new Error(`slot ${slot} has no owner, or there is no node ${toId}`);
  if (from.id === to.id) return;
  await ask(to.port, 'CLUSTER', 'SETSLOT', slot, 'IMPORTING', from.id);
  await ask(from.port, 'CLUSTER', 'SETSLOT', slot, 'MIGRATING', to.id);
  for (;;) {
    if (pauseMs > 0) await sleep(pauseMs);
    const keys = await ask(from.port, 'CLUSTER', 'GETKEYSINSLOT', slot, 10);
    if (keys.length === 0) break;
    await ask(from.port, 'MIGRATE', '127.0.0.1', to.port, '', 0, 2000, 'KEYS', ...keys);
  }
  // The new owner first: the other order could leave the slot without one.
  const masters = known.filter(({ role, alive }) => role === 'master' && alive);
  for (const { port } of [to, from, ...masters.filter(({ id }) => id !== to.id && id !== from.id)])
    await ask(port, 'CLUSTER', 'SETSLOT', slot, 'NODE', to.id);
}

/**
 * Has a replica take over from a master. `mode`: undefined hands over in agreement, nothing is lost; 'force' does not
 * ask the master, so what it has not sent is lost; 'takeover' does not ask the other masters either.
 * @returns the id of the new master, when every node that lives agrees
 */
async function failover(nodes, masterId, { mode } = {}) {
  const replica = await eventually(`a live replica of ${masterId}`, async () =>
    (await topology(nodes)).find((node) => node.masterId === masterId && node.alive),
  );
  let askedAt = -Infinity;
  await eventually(`a failover to port ${replica.port}`, async () => {
    // One that finds no majority, or does not catch up, is given up silently after five seconds.
    if (Date.now() - askedAt > 5500) {
      askedAt = Date.now();
      await ask(replica.port, 'CLUSTER', 'FAILOVER', ...(mode ? [mode.toUpperCase()] : []));
    }
    const views = (await Promise.all(nodes.map(look))).filter(Boolean);
    return views.every(({ known: all }) => {
      const promoted = all.find(({ id }) => id === replica.id);
      return promoted?.flags.includes('master') && promoted.slots.length > 0;
    });
  });
  return replica.id;
}
