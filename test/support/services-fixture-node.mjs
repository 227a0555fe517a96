/**
 * Stands in for the demo's main.js in the tests of the runner: keeps the contract (IPC 'ready', stops on
 * SIGTERM and 'disconnect') and, as a real node would, needs its services until it has flushed.
 * FIXTURE_FAULT: 'start' exits before it listens, 'deaf' ignores SIGTERM, 'die' exits 300 ms after 'ready'.
 */
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const { PORT, NODE_INDEX, DATABASE_URL, REDIS_URL, STRATA_DEMO_SEED, FIXTURE_FAULT } = process.env;

if (FIXTURE_FAULT === 'start') {
  console.error('fixture: cannot start');
  process.exit(7);
}

function answers(url) {
  if (!url) return 'none';
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port) });
    socket.on('connect', () => resolve(true));
    socket.on('error', () => resolve(false));
  });
}

let stopping = false;
async function stop(why) {
  if (stopping || FIXTURE_FAULT === 'deaf') return;
  stopping = true;
  await sleep(200); // an application that takes its time
  console.log(`flushed on=${why} database=${await answers(DATABASE_URL)} redis=${await answers(REDIS_URL)}`);
  process.exit(0);
}
process.on('SIGTERM', () => void stop('SIGTERM'));
process.on('SIGINT', () => void stop('SIGINT'));
process.on('disconnect', () => void stop('disconnect'));
process.stdout.on('error', () => {});

const server = createServer((_request, response) => response.end(`node ${NODE_INDEX}`));
server.listen(Number(PORT), '127.0.0.1', () => {
  console.log(`listening pid=${process.pid} seed=${STRATA_DEMO_SEED ?? 'no'}`);
  process.send({ type: 'ready', url: `http://127.0.0.1:${PORT}` });
  if (FIXTURE_FAULT === 'die') setTimeout(() => process.exit(9), 300);
});
