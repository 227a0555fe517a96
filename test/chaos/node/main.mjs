/**
 * One application process under test: a cache, a pool, readers and writers. Its parent says what to do over IPC;
 * what it does it writes down in its record file.
 */
import { Random } from '../random.mjs';
import { RecordWriter } from '../records.mjs';
import { audit } from './audit.mjs';
import { openCache } from './cache.mjs';
import { openLoaders } from './loaders.mjs';
import { Readers } from './readers.mjs';
import { blockLoop, shiftWallClock } from './tricks.mjs';
import { Writers } from './writers.mjs';

const config = JSON.parse(process.argv[2]);
const random = new Random(config.seed, 'node', config.node, config.incarnation);
const records = new RecordWriter(config.records);
const tell = (message) => process.connected && process.send(message, () => undefined);
const fail = (what, error) =>
  tell({
    kind: 'failure',
    what,
    message: String(error?.stack ?? error),
    at: Number(process.hrtime.bigint()),
  });

const cache = await openCache(config);
const loaders = openLoaders(config, records, random);
const node = { config, random, records, cache, loaders, tell, fail };
const readers = new Readers(node);
const writers = new Writers(node);
await writers.open();

const flushing = setInterval(() => records.flush(), 20);

const COMMANDS = {
  go: () => {
    readers.start();
    writers.start();
  },
  stopWriters: () => writers.stop(),
  stop: () => Promise.all([readers.stop(), writers.stop()]).then(() => undefined),
  health: () => ({ ...cache.health(), stats: brief(cache.stats()) }),
  audit: () => audit(node),
  read: (message) => readers.demanded(message),
  dieAtCommit: () => void (writers.dieAtCommit = true),
  dieInLoad: () => void (loaders.dieInLoad = true),
  block: ({ ms }) => blockLoop(ms),
  shift: ({ ms }) => shiftWallClock(ms),
  close: async () => {
    clearInterval(flushing);
    await writers.close();
    await cache.close();
    await loaders.close();
    records.close();
  },
};

process.on('message', ({ id, command, ...rest }) => {
  void (async () => {
    try {
      tell({ kind: 'answer', id, answer: await COMMANDS[command](rest) });
    } catch (error) {
      tell({ kind: 'answer', id, error: String(error?.stack ?? error) });
    }
    if (command === 'close') process.disconnect();
  })();
});
process.on('disconnect', () => process.exit());
process.on('unhandledRejection', (error) => fail('unhandled rejection', error));
process.on('uncaughtException', (error) => {
  // TypeORM listens to a fresh connection a moment late: one that is terminated in the same packet errs to nobody.
  if (error.code !== '57P01') fail('uncaught exception', error);
});
tell({ kind: 'ready' });

function brief({ sourceLoads, invalidations, fillsRejected, errors }) {
  return { sourceLoads, invalidations, fillsRejected, errors };
}
