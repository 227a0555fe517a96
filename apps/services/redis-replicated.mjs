/** A master, its replicas, and the sentinels that watch them: what a failover by Sentinel needs, on loopback. */
import { chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { serviceUser } from './launch.mjs';
import { freePort } from './ports.mjs';
import { ask, eventually, info } from './redis-ask.mjs';
import { dataServerArgs, openRedisRun, startRedisServer } from './redis-server.mjs';

const NAME = 'strata';

/**
 * Starts them and waits until the replicas are in sync and every sentinel knows all of them.
 *
 * @param options.replicas default 1
 * @param options.sentinels default 1; the quorum is the majority
 * @param options.downAfterMs how long a server may be silent before a sentinel holds it for down; default 1000
 * @param options.failoverTimeoutMs Sentinel's failover-timeout: until a failed failover is tried again, and until a
 *   replica that follows another address than the master's is corrected. Default 5000; with `replicaVia` 120,000,
 *   because a proxy is such an address
 * @param options.args more command line arguments for each data server
 * @param options.replicaVia(masterPort) gives the port that the replicas follow instead of the master's: a proxy's
 * @param options.debug, options.run, options.log, options.signal as startRedis has them
 * @returns `{ name, master, replicas, sentinels, server(port), currentMaster(), inSync(), stop() }`; each server is
 *   `{ host, port, url, pid, kill(signal), restart(), stop() }`. `currentMaster()`: the server that the sentinels
 *   name now. `inSync()`: resolves when every other server that lives is a replica, without a gap; a former master
 *   that was started again becomes one within about ten seconds.
 */
export async function startReplicated(options = {}) {
  const { replicas = 1, sentinels = 1, downAfterMs = 1000, replicaVia } = options;
  const failoverTimeoutMs = options.failoverTimeoutMs ?? (replicaVia ? 120_000 : 5000);
  const shared = await openRedisRun(options);
  const starting = [];
  const started = [];

  async function start(server) {
    starting.push(server);
    const handle = await server;
    started.push(handle);
    return Object.assign(handle, { host: '127.0.0.1', url: `redis://127.0.0.1:${handle.port}` });
  }

  async function stop() {
    // One that comes up late, when another one has failed, would be left running.
    await Promise.allSettled(starting);
    await Promise.all(started.map((server) => server.stop()));
    await shared.close();
  }

  try {
    const master = await start(startData(options, shared, undefined));
    const followed = replicaVia ? await replicaVia(master.port) : master.port;
    const copies = await Promise.all(
      Array.from({ length: replicas }, () => start(startData(options, shared, followed))),
    );
    const data = [master, ...copies];
    await inSync(data, () => master);
    const watchers = await Promise.all(
      Array.from({ length: sentinels }, () =>
        start(
          startSentinel(shared, options, { master: master.port, sentinels, downAfterMs, failoverTimeoutMs }),
        ),
      ),
    );
    await Promise.all(watchers.map(({ port }) => knowsAll(port, { replicas, sentinels })));
    return {
      name: NAME,
      master,
      replicas: copies,
      sentinels: watchers,
      server: (port) => started.find((one) => one.port === Number(port)),
      currentMaster: () => currentMaster(watchers, data),
      inSync: () => inSync(data, () => currentMaster(watchers, data)),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startData(options, shared, followed) {
  const port = await freePort();
  return startRedisServer({
    ...shared,
    log: options.log,
    signal: options.signal,
    port,
    async args(dir, version) {
      // Whom it follows stands in a file, which Sentinel has it rewrite: one that is restarted is what it was last.
      const file = join(dir, 'redis.conf');
      await ownFile(file, followed === undefined ? '' : `replicaof 127.0.0.1 ${followed}\n`);
      return [
        file,
        ...dataServerArgs({
          listen: ['--port', String(port)],
          dir,
          version,
          debug: options.debug,
          args: [
            ['--repl-diskless-sync-delay', '0'],
            // What Sentinel and clients are told, whatever lies between this server and the master.
            ['--replica-announce-ip', '127.0.0.1', '--replica-announce-port', String(port)],
            ...(options.args ?? []),
          ].flat(),
        }),
      ];
    },
  });
}

async function startSentinel(shared, { log, signal }, { master, sentinels, downAfterMs, failoverTimeoutMs }) {
  const port = await freePort();
  const quorum = Math.floor(sentinels / 2) + 1;
  return startRedisServer({
    ...shared,
    name: 'Sentinel',
    log,
    signal,
    port,
    async args(dir) {
      const file = join(dir, 'sentinel.conf');
      const lines = [
        `port ${port}`,
        'bind 127.0.0.1',
        'protected-mode yes',
        'daemonize no',
        `dir ${dir}`,
        'sentinel announce-ip 127.0.0.1',
        `sentinel announce-port ${port}`,
        `sentinel monitor ${NAME} 127.0.0.1 ${master} ${quorum}`,
        `sentinel down-after-milliseconds ${NAME} ${downAfterMs}`,
        `sentinel failover-timeout ${NAME} ${failoverTimeoutMs}`,
        `sentinel parallel-syncs ${NAME} 1`,
      ];
      await ownFile(file, `${lines.join('\n')}\n`);
      return [file, '--sentinel'];
    },
  });
}

/** A file that the server may rewrite. */
async function ownFile(file, text) {
  await writeFile(file, text, { mode: 0o600 });
  const { uid, gid } = serviceUser();
  if (uid !== undefined) await chown(file, uid, gid);
}

async function knowsAll(port, { replicas, sentinels }) {
  await eventually(`sentinel on port ${port}`, async () => {
    const state = pairs(await ask(port, 'SENTINEL', 'MASTER', NAME));
    return (
      state.flags === 'master' &&
      Number(state['num-slaves']) === replicas &&
      Number(state['num-other-sentinels']) === sentinels - 1
    );
  });
}

/** Of the sentinels that answer, the majority's word; undefined when none answers. */
async function currentMaster(sentinels, data) {
  const named = await Promise.all(
    sentinels.map(({ port }) =>
      ask(port, 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', NAME).then(
        (address) => Number(address?.[1]),
        () => undefined, // this one is down
      ),
    ),
  );
  const votes = named.filter((port) => port !== undefined);
  const best = votes.toSorted((a, b) => count(votes, b) - count(votes, a))[0];
  return data.find(({ port }) => port === best);
}

async function inSync(data, findMaster) {
  await eventually('replicas in sync', async () => {
    const master = await findMaster();
    const head = master && (await info(master.port, 'replication'));
    if (head?.role !== 'master') return false;
    const others = await Promise.all(
      data.filter((one) => one !== master).map(({ port }) => info(port, 'replication')),
    );
    return others
      .filter((state) => state !== undefined) // the dead are not waited for
      .every(
        ({ role, master_link_status: link, slave_repl_offset: at }) =>
          role === 'slave' && link === 'up' && Number(at) >= Number(head.master_repl_offset),
      );
  });
}

function count(list, item) {
  return list.filter((one) => one === item).length;
}

/** `[name, value, name, value]` as an object. */
function pairs(list) {
  return Object.fromEntries(
    Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i], list[2 * i + 1]]),
  );
}
