/**
 * Runs the demo: build, services, nodes, and the way back in the opposite order. Nodes flush before their
 * services go; whatever happens, nothing is left behind (see apps/services/run-folder.mjs).
 */
import { freePort, isPortFree, startServices } from '../../services/index.mjs';
import { StopRequested, listenForStop } from '../../services/stop-requests.mjs';
import { HELP, UsageError, readArguments } from './arguments.mjs';
import { ROOT, ensureBuilt } from './build.mjs';
import { describeServices } from './describe-services.mjs';
import { startNode } from './node-process.mjs';
import { noteDatabase } from './running-demo.mjs';

const print = (line) => console.log(line);

/**
 * Resolves with the exit code when the demo has ended: 0 if it was asked to.
 *
 * @param options.main the program of a node; default: the built demo, built if needed
 */
export async function runDemo({ argv = process.argv.slice(2), env = process.env, main } = {}) {
  let options;
  try {
    options = readArguments(argv, env);
    if (options.help) {
      print(HELP);
      return 0;
    }
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n\n${HELP}`);
    return 1;
  }
  const stop = listenForStop();
  try {
    const port = await firstPort(options);
    const program = main || (await ensureBuilt({ log: print, signal: stop.signal }));
    return await serve({ ...options, port, program, env, stop });
  } catch (error) {
    if (error instanceof StopRequested) return 0;
    console.error(error instanceof Error ? error.message : error);
    return 1;
  } finally {
    stop.dispose();
  }
}

async function firstPort({ port, portSource }) {
  if (await isPortFree(port)) return port;
  if (portSource === undefined) return freePort();
  throw new Error(`port ${port} (from ${portSource}) is taken by another process; choose another or none`);
}

/** 3001 and 3002 beside 3000 are easy to remember; where they are taken any other will do. */
async function portAfter(last) {
  const next = last + 1;
  return next <= 65_535 && (await isPortFree(next)) ? next : freePort();
}

async function serve({ nodes: count, port, program, env, stop }) {
  const services = await startServices({ log: print, signal: stop.signal });
  const nodes = [];
  try {
    for (const line of describeServices(services)) print(line);
    if (!services.postgres) {
      const { reason, fix } = services.unavailable.find(({ service }) => service === 'PostgreSQL');
      throw new Error(`the demo needs PostgreSQL, which cannot be had: ${reason}\nTo fix it: ${fix}`);
    }
    await noteDatabase(services.run, services.postgres);
    // All ports first: between here and the nodes' end nothing may wait that could start one more.
    const ports = [port];
    while (ports.length < count) ports.push(await portAfter(ports.at(-1)));
    stop.signal.throwIfAborted();
    const start = (nodePort, position) => {
      const index = position + 1;
      const node = startNode({
        main: program,
        index,
        cwd: ROOT,
        run: services.run,
        env: nodeEnv({ env, services, index, port: nodePort }),
        print: count === 1 ? print : (line) => print(`[${index}] ${line}`),
      });
      nodes.push(node);
      return node;
    };
    // The first node alone migrates and seeds.
    const first = start(ports[0], 0);
    await Promise.race([first.ready, stop.requested]);
    stop.signal.throwIfAborted();
    const others = ports.slice(1).map((nodePort, position) => start(nodePort, position + 1));
    await Promise.race([Promise.all(others.map(({ ready }) => ready)), stop.requested, deathOf(first)]);
    stop.signal.throwIfAborted();
    for (const node of nodes) print(`ready node=${node.index} url=${node.url}`);
    return await untilEnd(nodes, stop);
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
    await services.stop();
  }
}

/** The environment of one node: the user's own, and the contract with apps/trading/src/main.ts. */
function nodeEnv({ env, services, index, port }) {
  const { REDIS_URL: _redis, STRATA_DEMO_SEED: _seed, ...own } = env;
  // A node writes into our pipe: whether anybody wants colours is for our own output to say.
  const plain = !process.stdout.isTTY && env.FORCE_COLOR === undefined;
  return {
    ...(plain ? { NO_COLOR: '1' } : {}),
    ...own,
    DATABASE_URL: services.postgres.url,
    ...(services.redis ? { REDIS_URL: services.redis.url } : {}),
    PORT: String(port),
    NODE_INDEX: String(index),
    ...(index === 1 ? { STRATA_DEMO_SEED: '1' } : {}),
  };
}

async function untilEnd(nodes, stop) {
  print(`stopping: ${await Promise.race([stop.requested, ...nodes.map(deathOf)])}`);
  return 0;
}

/** Rejects when the node has ended; never resolves. */
async function deathOf({ index, exited }) {
  throw new Error(`node ${index} died (${await exited}): stopping the rest`);
}
