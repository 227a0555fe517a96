/** Writes through TypeORM: an entity saved in a transaction, invalidated by the module's subscriber. */
import 'reflect-metadata';
import { AsyncLocalStorage } from 'node:async_hooks';
import { CachedEntity, CacheTypeOrmModule } from 'nestjs-strata/typeorm';
import { DataSource, EntitySchema } from 'typeorm';
import { KIND, nowNs } from '../records.mjs';
import { groupTag } from './cache.mjs';

class Item {}
CachedEntity({
  keys: { items: (row) => row.id, strict: (row) => row.id },
  tags: (row) => [groupTag(row.grp)],
  listColumns: ['grp'],
})(Item);

const ITEM = new EntitySchema({
  name: 'Item',
  target: Item,
  tableName: 'item',
  columns: {
    id: { type: 'int', primary: true },
    grp: { type: 'int' },
    v: { type: 'int' },
    w: { type: 'float8' },
  },
});

class RolledBack extends Error {}

export class OrmWriter {
  #node;
  #dataSource;
  #service;
  /** The write whose transaction is under way in this async context. */
  #current = new AsyncLocalStorage();

  constructor(node, dataSource, service) {
    this.#node = node;
    this.#dataSource = dataSource;
    this.#service = service;
  }

  static async open(node, atCommit) {
    const dataSource = await new DataSource({
      type: 'postgres',
      url: node.config.databaseUrl,
      applicationName: 'chaos-writer',
      extra: { max: 2 },
      poolErrorHandler: () => undefined, // a terminated idle connection is replaced
      entities: [ITEM],
    }).initialize();
    let writer;
    const { cache } = node;
    // What the subscriber asks of the cache is watched, not changed.
    const watched = new Proxy(cache, {
      get(target, name) {
        const value = target[name];
        if (name === 'invalidate') return (...args) => writer.watch(() => target.invalidate(...args));
        if (name === 'fence')
          return typeof value === 'function' ? (...args) => writer.fence(args) : undefined;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    const [provider] = CacheTypeOrmModule.forRoot().providers;
    const service = provider.useFactory({ get: (token) => (token === DataSource ? dataSource : watched) });
    service.onModuleInit();
    await service.onApplicationBootstrap();
    writer = new OrmWriter(node, dataSource, service);
    writer.atCommit = atCommit;
    return writer;
  }

  async close() {
    await this.#service.onApplicationShutdown();
    await this.#dataSource.destroy();
  }

  async write(key, write, fate) {
    const { records } = this.#node;
    const state = { key, write, v: -1, call: 0, committed: false };
    try {
      await this.#current.run(state, () =>
        this.#dataSource.transaction(async (manager) => {
          const row = await manager.findOne(Item, {
            where: { id: key },
            lock: { mode: 'pessimistic_write' },
          });
          row.v += 1;
          row.w = write;
          await manager.save(row);
          await manager.query('INSERT INTO hist VALUES ($1, $2, $3, $4)', [
            key,
            row.v,
            write,
            fate === 'refused',
          ]);
          state.v = row.v;
          if (fate === 'rollback') throw new RolledBack();
          state.call = nowNs();
          records.sync(KIND.WRITE, key, state.call, 0, state.v, write, 1, fate === 'commit' ? 0 : 1);
        }),
      );
    } catch (error) {
      // Business: rolled back, refused, or the connection was terminated. Anything of the cache is its fault.
      if (/strata|redis/i.test(`${error?.name} ${error?.code} ${error?.message}`))
        this.#node.fail('save', error);
      return;
    }
    if (!state.committed) this.#committed(state);
    records.sync(KIND.OWN, key, state.call, nowNs(), state.v, write);
  }

  /** The subscriber's invalidation, in its transaction's context: COMMIT has been answered. */
  watch(invalidate) {
    return this.#invalidation(invalidate);
  }

  /** A fence of the subscriber: its own `invalidate` is the one that counts. */
  async fence(args) {
    const { cache, records } = this.#node;
    const state = this.#current.getStore();
    const call = nowNs();
    const fence = await cache.fence(...args);
    if (!state) return fence;
    state.fence = fence;
    const over = (end) =>
      end.finally(() => records.add(KIND.FENCED, state.key, call, nowNs(), state.v, state.write));
    return new Proxy(fence, {
      get: (target, name) => {
        if (name === 'invalidate')
          return (...args) => over(this.#invalidation(() => target.invalidate(...args)));
        if (name === 'lift') return () => over(target.lift());
        const value = target[name];
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  async #invalidation(invalidate) {
    const { records } = this.#node;
    const state = this.#current.getStore();
    if (!state || state.call === 0) return invalidate();
    this.#committed(state);
    const call = nowNs();
    const result = await invalidate();
    records.sync(
      KIND.INVALIDATED,
      state.key,
      call,
      nowNs(),
      state.v,
      state.write,
      result.acknowledged ? 1 : 0,
    );
    return result;
  }

  #committed(state) {
    if (state.committed) return;
    state.committed = true;
    const { key, call, v, write, fence } = state;
    this.#node.records.sync(KIND.COMMITTED, key, call, nowNs(), v, write, fence?.standing ? 1 : 0);
    this.atCommit();
  }
}
