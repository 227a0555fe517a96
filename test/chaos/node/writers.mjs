/** Writers: a transaction that bumps a row's version, and then the invalidation through the public API. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { KIND, nowNs } from '../records.mjs';
import { fences, groupTag } from './cache.mjs';
import { OrmWriter } from './orm.mjs';

const BUMP = `
WITH bumped AS (UPDATE item SET v = v + 1, w = $2 WHERE id = $1 RETURNING id, grp, v, w),
  noted AS (INSERT INTO hist SELECT id, v, w, $3 FROM bumped)
SELECT grp, v FROM bumped`;
const WRITES_PER_PROCESS = 1e6;

export class Writers {
  dieAtCommit = false;
  #node;
  #orm;
  #pool;
  #running = false;
  #loops = [];
  #next;
  /** Connections that were cut. */
  #broken = new WeakSet();

  constructor(node) {
    this.#node = node;
    const { config } = node;
    // Unique over all processes of a run: the number of the process, then a counter.
    this.#next = (config.node * 100 + config.incarnation + 1) * WRITES_PER_PROCESS;
    this.#pool = new pg.Pool({
      connectionString: config.databaseUrl,
      max: 3,
      application_name: 'chaos-writer',
    });
    this.#pool.on('error', () => undefined); // a terminated idle connection is replaced
    this.#pool.on('connect', (client) => client.on('error', () => this.#broken.add(client)));
  }

  async open() {
    if (this.#node.config.orm > 0) this.#orm = await OrmWriter.open(this.#node, () => this.#atCommit());
  }

  start() {
    if (this.#running) return;
    this.#running = true;
    this.#loops = Array.from({ length: this.#node.config.writers }, () => this.#loop());
  }

  async stop() {
    this.#running = false;
    await Promise.all(this.#loops);
  }

  async close() {
    await this.stop();
    await this.#orm?.close();
    await this.#pool.end();
  }

  async #loop() {
    const { random, config } = this.#node;
    while (this.#running) {
      const key = random.chance(0.5) ? random.integer(1, config.hot) : random.integer(1, config.keys);
      const write = this.#next++;
      const fate =
        random.next() < 0.08
          ? 'rollback'
          : random.chance(0.05) || config.refuse > random.next()
            ? 'refused'
            : 'commit';
      if (this.#orm && random.chance(config.orm)) await this.#orm.write(key, write, fate);
      else await this.#direct(key, write, fate);
      await sleep(random.integer(...config.writePause));
    }
  }

  /** The instant after COMMIT was answered. */
  #atCommit() {
    if (this.dieAtCommit) process.kill(process.pid, 'SIGKILL');
  }

  async #direct(key, write, fate) {
    const { records, cache, random, config, fail } = this.#node;
    let client;
    try {
      client = await this.#pool.connect();
      await client.query('BEGIN');
      const { rows } = await client.query(BUMP, [key, write, fate === 'refused']);
      const [{ grp, v }] = rows;
      const keys = ['items', 'strict'].map((namespace) => ({ namespace, id: String(key) }));
      let fence;
      const fencedAt = nowNs();
      if (fences(cache) && random.chance(config.fenced))
        fence = await cache.fence(keys, { for: '10s', within: 50 }).catch((error) => fail('fence', error));
      if (random.chance(config.slowCommit)) await sleep(random.between(5, 40));
      const call = nowNs();
      records.sync(KIND.WRITE, key, call, 0, v, write, 0, fate === 'commit' ? 0 : 1);
      const outcome = await this.#end(client, fate);
      const ret = nowNs();
      const standing = outcome === KIND.COMMITTED && fence?.standing === true ? 1 : 0;
      records.sync(outcome, key, call, ret, v, write, standing);
      if (outcome === KIND.COMMITTED) this.#atCommit();
      client.release(outcome === KIND.UNKNOWN || this.#broken.has(client));
      client = undefined;
      if (outcome === KIND.ROLLED_BACK) await fence?.lift().catch((error) => fail('lift', error));
      else {
        if (config.gapAfterCommit > 0 && random.chance(0.3))
          await sleep(random.between(0, config.gapAfterCommit));
        await this.#invalidate({ key, v, write, outcome, grp, keys, fence });
      }
      if (fence) records.add(KIND.FENCED, key, fencedAt, nowNs(), v, write);
    } catch {
      // The connection was terminated before COMMIT: nothing was written.
      client?.release(true);
    }
  }

  /** Ends the transaction and says how. */
  async #end(client, fate) {
    try {
      const { command } = await client.query(fate === 'rollback' ? 'ROLLBACK' : 'COMMIT');
      return command === 'COMMIT' ? KIND.COMMITTED : KIND.ROLLED_BACK;
    } catch (error) {
      if (fate === 'rollback') return KIND.ROLLED_BACK;
      return error.severity === 'ERROR' ? KIND.ROLLED_BACK : KIND.UNKNOWN;
    }
  }

  async #invalidate({ key, v, write, outcome, grp, keys, fence }) {
    const { records, cache, random, config, fail, tell } = this.#node;
    const selector = { keys, tags: [groupTag(grp)] };
    const call = nowNs();
    let result;
    try {
      result = await (fence ? fence.invalidate(selector) : cache.invalidate(selector));
    } catch (error) {
      fail('invalidate', error);
      return;
    }
    const ret = nowNs();
    if (outcome !== KIND.COMMITTED) return;
    records.add(KIND.INVALIDATED, key, call, ret, v, write, result.acknowledged ? 1 : 0);
    records.sync(KIND.OWN, key, call, ret, v, write);
    if (fences(cache) && result.position !== null && random.chance(config.handedOver))
      tell({ kind: 'position', key, version: v, position: result.position });
  }
}
