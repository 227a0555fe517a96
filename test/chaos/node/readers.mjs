/** Readers by key, by tag-dependent aggregate and in batches, on hot and on cold keys. */
import { setTimeout as sleep } from 'node:timers/promises';
import { GROUP_SIZE, KIND, SPACE, nowNs } from '../records.mjs';
import { groupTag } from './cache.mjs';
import { LoadFailed } from './loaders.mjs';

const LOOPS = 8;
const L1_READS_AT_ONCE = 8;
const STOP_WITHIN_MS = 15_000;

export class Readers {
  #node;
  #running = false;
  #loops = [];
  /** What each loop waits for: for the report when one hangs. */
  #waiting = new Map();

  constructor(node) {
    this.#node = node;
  }

  start() {
    if (this.#running) return;
    this.#running = true;
    this.#loops = Array.from({ length: LOOPS }, (_, index) => this.#loop(index));
  }

  async stop() {
    this.#running = false;
    const late = sleep(STOP_WITHIN_MS, 'late', { ref: false });
    if ((await Promise.race([Promise.all(this.#loops), late])) === 'late')
      for (const what of this.#waiting.values()) this.#node.fail('read', new Error(`${what} never returned`));
  }

  /** A read that demands what a writer on another node has written. */
  async demanded({ key, version, position, space }) {
    const options = { minPosition: position };
    try {
      if (space === 'groups')
        await this.#group(space, Math.floor((key - 1) / GROUP_SIZE), { key, version, options });
      else await this.#single(space, key, version, options);
    } catch (error) {
      if (!(error instanceof LoadFailed)) this.#node.fail(`minPosition ${space}:${key}`, error);
    }
  }

  async #loop(index) {
    const { random } = this.#node;
    while (this.#running) {
      const [what, read] = this.#choose();
      this.#waiting.set(index, what);
      try {
        await read();
      } catch (error) {
        if (!(error instanceof LoadFailed)) this.#node.fail(what, error);
      }
      this.#waiting.delete(index);
      // Not faster than this: an event loop that is starved by its own load shows as staleness of the judge.
      await sleep(random.integer(...this.#node.config.readPause));
    }
  }

  #choose() {
    const { random, config } = this.#node;
    const key = this.#key();
    if (random.chance(config.late)) return [`late:${key}`, () => this.#late(key)];
    const x = random.next();
    if (x < 0.45)
      return [
        `items:${key}`,
        async () => {
          for (let i = 0; i < L1_READS_AT_ONCE; i++) await this.#single('items', this.#key());
        },
      ];
    if (x < 0.6) return [`strict:${key}`, () => this.#single('strict', key)];
    if (x < 0.75) return ['groups', () => this.#group('groups', random.integer(0, config.groups - 1))];
    if (x < 0.82) return ['sgroups', () => this.#group('sgroups', random.integer(0, config.groups - 1))];
    if (x < 0.88) return [`late:${key}`, () => this.#late(key)];
    if (x < 0.93) return [`get ${key}`, () => this.#lookUp(random.pick(['items', 'strict', 'late']), key)];
    const keys = [...new Set(Array.from({ length: 8 }, () => this.#key()))];
    const space = random.chance(0.7) ? 'items' : 'strict';
    return [`${space}:${keys.join()}`, () => this.#batch(space, keys)];
  }

  #key() {
    const { random, config } = this.#node;
    return random.chance(0.5) ? random.integer(1, config.hot) : random.integer(1, config.keys);
  }

  async #single(space, key, demanded = -1, options) {
    const { cache, loaders, records } = this.#node;
    const load = loaders.one(space);
    const call = nowNs();
    const row = await cache.getOrSet(space, String(key), () => load(key), options);
    records.add(KIND.READ, key, call, nowNs(), row.v, row.w, SPACE[space], demanded);
  }

  /** What is stored, without a load: what is found has to be as right. */
  async #lookUp(space, key) {
    const { cache, records } = this.#node;
    const call = nowNs();
    const peeked = cache.namespace(space).peek(String(key));
    if (peeked) records.add(KIND.READ, key, call, nowNs(), peeked.v, peeked.w, SPACE[space]);
    const again = nowNs();
    const found = await cache.namespace(space).getMany([String(key)]);
    const row = found.get(String(key));
    if (row) records.add(KIND.READ, key, again, nowNs(), row.v, row.w, SPACE[space]);
  }

  /** A row that only its group's tag invalidates, and the group is known only once it is loaded. */
  async #late(key) {
    const { cache, loaders, records } = this.#node;
    const load = loaders.one('late');
    const call = nowNs();
    const row = await cache.getOrSet('late', String(key), () => load(key), {
      tagsOf: (value) => [groupTag(value.grp)],
    });
    records.add(KIND.READ, key, call, nowNs(), row.v, row.w, SPACE.late);
  }

  async #group(space, group, demanded) {
    const { cache, loaders, records } = this.#node;
    const load = loaders.group(space);
    const call = nowNs();
    const rows = await cache.getOrSet(space, String(group), () => load(group), {
      tags: [groupTag(group)],
      ...demanded?.options,
    });
    const ret = nowNs();
    rows.forEach(({ id, v, w }, i) => {
      const least = demanded?.key === id ? demanded.version : -1;
      records.add(i === 0 ? KIND.READ : KIND.READ_MORE, id, call, ret, v, w, SPACE[space], least);
    });
  }

  async #batch(space, keys) {
    const { cache, loaders, records } = this.#node;
    const call = nowNs();
    const rows = await cache
      .namespace(space)
      .getOrSetMany(keys.map(String), (ids) => loaders.many(space, ids.map(Number)));
    const ret = nowNs();
    for (const key of keys) {
      const row = rows.get(String(key));
      if (!row) throw new Error(`a batch answered nothing for ${space}:${key}`);
      records.add(KIND.READ, key, call, ret, row.v, row.w, SPACE[space]);
    }
  }
}
