/**
 * A node that dies in the worst moment: COMMIT was answered, and nothing has happened since. Told by IPC which row to
 * write. FENCE=0: it raises no fences before COMMIT. It wires the module's parts itself, as CacheTypeOrmService does:
 * a hundred of these start, and loading Nest would be half of it.
 */
import 'reflect-metadata';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { createRedisTier, systemClock, TieredCache } from '../dist/libs/tiered-cache/src/index.js';
import { CacheSubscriber } from '../dist/src/typeorm/cache-subscriber.js';
import { CommitFences } from '../dist/src/typeorm/commit-fences.js';
import { InvalidationGate } from '../dist/src/typeorm/invalidation-gate.js';
import { MarkRegistry } from '../dist/src/typeorm/mark-registry.js';
import { resolveOutboxOptions } from '../dist/src/typeorm/outbox/outbox.options.js';
import { Outboxes } from '../dist/src/typeorm/outbox/outboxes.js';
import { ITEM, Item, NAMESPACES } from './item.mjs';

const { DATABASE_URL, REDIS_URL, PREFIX, FENCE } = process.env;
// Orphaned, it must not stay.
process.on('disconnect', () => process.exit(1));

const cache = new TieredCache({
  prefix: PREFIX,
  remote: createRedisTier({ url: REDIS_URL, prefix: PREFIX, commandTimeout: 5_000 }),
  namespaces: NAMESPACES,
}).start();
const dataSource = await new DataSource({
  type: 'postgres',
  url: DATABASE_URL,
  entities: [ITEM],
  extra: { max: 1 },
}).initialize();
const marks = new MarkRegistry('default', console.error);
marks.add(dataSource);
const outboxes = new Outboxes(cache, marks, resolveOutboxOptions({}), systemClock, console);
const gate = new InvalidationGate(cache, 10_000, systemClock, console);
const fences = FENCE === '0' ? null : new CommitFences(cache, { forMs: 10_000, withinMs: 10_000 });
dataSource.subscribers.unshift(new CacheSubscriber(marks, gate, systemClock, console, fences, outboxes));
await outboxes.add(dataSource);
while (!cache.health().l1.serving) await new Promise((resolve) => setTimeout(resolve, 5));

/** The connection that the row is written by; the relay has another. */
let writing;
const query = Reflect.get(pg.Client.prototype, 'query');
pg.Client.prototype.query = function (...args) {
  if (String(args[0]).startsWith('UPDATE "item"')) writing = this;
  const answered = query.apply(this, args);
  if (args[0] !== 'COMMIT' || this !== writing) return answered;
  return answered.then(() => {
    process.kill(process.pid, 'SIGKILL');
    for (;;); // nothing else of this process happens
  });
};

process.on('message', ({ id }) => {
  // It does not live to see the answer.
  void dataSource.manager.save(Item, { id, v: 1 }).finally(() => process.exit(2));
});
process.send({ type: 'ready' });
