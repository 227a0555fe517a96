import type { InvalidationResult } from '../../libs/tiered-cache/src/index.js';
import type { InterleavedFleet, Member } from './interleaved-fleet.js';
import type { ReadKind, WriteKind } from './interleaved-steps.js';
import { type Key, KEYS, type Least, type Truth, valueOf } from './interleaved-truth.js';

/** Tags of every key; that of 'c' is met only in its value. */
const TAGS: Record<Key, readonly string[]> = { a: ['t', 'u'], b: ['t', 'u'], c: ['d'] };

/** What the source throws; the only error that a caller may ever meet. */
export class SourceError extends Error {}

interface Call {
  readonly what: string;
  readonly by: Member;
  settled: boolean;
}

/** The business on top of the caches: reads, loads and writes, each judged when it ends. */
export class InterleavedCalls {
  private readonly calls: Call[] = [];
  private readonly writing = new Map<Call, { keys: readonly Key[]; isSet: boolean; isFenced: boolean }>();
  /** A process was killed with an invalidation unacknowledged: only an outbox would know of it. */
  orphans = false;
  /** Wrote something that was not acknowledged, and will send it again. */
  private readonly unacknowledged = new Set<Member>();
  private losses = 0;

  constructor(
    private readonly fleet: InterleavedFleet,
    private readonly truth: Truth,
    private readonly note: (line: string) => void,
    private readonly broken: string[],
  ) {}

  /** Of processes that live. */
  get unsettled(): string[] {
    return this.calls.filter(({ settled, by }) => !settled && !by.dead).map(({ what }) => what);
  }

  /** Before a process is killed. */
  forget(member: Member): void {
    for (const [call, { isFenced }] of this.writing)
      if (call.by === member) {
        // What a fence is for: it stood when the writer died.
        if (!isFenced) this.orphans = true;
        this.writing.delete(call);
      }
    if (this.unacknowledged.has(member)) this.orphans = true;
  }

  /** The shared tier lost what it had: fences raised before stand no longer. */
  dataLost(): void {
    this.losses++;
  }

  use(kind: ReadKind | WriteKind, by: Member, key: Key): void {
    const items = by.cache.namespace<string>('items');
    const tags = key === 'c' ? { tagsOf: () => TAGS.c } : { tags: TAGS[key] };
    const siblings: Key[] = key === 'c' ? ['c'] : ['a', 'b'];
    const load = () => this.load(by, [key]).then((found) => found.get(key)!);
    const one = (answer: Promise<unknown>) => answer.then((value) => new Map([[key, value]]));
    switch (kind) {
      case 'read':
        return this.reads(by, [key], kind, () => one(items.getOrSet(key, load, tags)));
      case 'fresh':
        return this.reads(by, [key], kind, () => one(items.getOrSet(key, load, { ...tags, fresh: true })));
      case 'read after': {
        const after = this.truth.positionOf(key);
        if (after === undefined) return undefined;
        const least = { version: after.version, why: `at the position given` };
        const options = { ...tags, minPosition: after.position };
        return this.reads(by, [key], kind, () => one(items.getOrSet(key, load, options)), least);
      }
      case 'get':
        return this.reads(by, [key], kind, () => one(items.get(key)));
      case 'peek':
        return this.reads(by, [key], kind, () => one(Promise.resolve(items.peek(key))));
      case 'batch':
        return this.reads(by, siblings, kind, () =>
          items.getOrSetMany(siblings, (ids) => this.load(by, ids as Key[]), tags),
        );
      case 'touch':
      case 'expire':
        this.call(
          by,
          `${kind} ${key}`,
          () => items[kind](key),
          (done) => String(done),
        );
        return undefined;
      case 'put':
        // Of two writes at once the one whose INVALIDATE comes last wins, whichever was committed last: documented.
        if ([...this.writing.values()].some(({ keys }) => keys.includes(key))) return undefined;
        return this.writes(by, 'set', [key], (version) =>
          items.set(key, valueOf(key, version[key]), { tags: TAGS[key] }),
        );
      case 'fenced':
      case 'rolled back':
        return this.fences(by, key, kind === 'fenced');
      case 'delete':
        return this.writes(by, kind, [key], () => items.delete(key));
      case 'tag':
        return this.writes(by, `deleteByTag ${TAGS[key][0]}:`, siblings, () =>
          by.cache.deleteByTag(TAGS[key][0]!),
        );
      case 'other tag':
        return this.writes(by, `deleteByTag ${TAGS[key].at(-1)}:`, siblings, () =>
          by.cache.deleteByTag(TAGS[key].at(-1)!),
        );
      case 'both':
        return this.writes(by, 'invalidate key c and tag u:', KEYS, () =>
          by.cache.invalidate({ keys: [{ namespace: 'items', id: 'c' }], tags: ['u'] }),
        );
      case 'clear':
        return this.writes(by, kind, KEYS, () => by.cache.clear());
      case 'pattern':
        return this.writes(by, `invalidate items:${key}*:`, [key], () =>
          by.cache.invalidate({ patterns: [`items:${key}*`] }),
        );
    }
  }

  /** What an outbox would do for a process that was killed: invalidate all that was written. */
  relay(by: Member): void {
    this.writes(by, 'relay', KEYS, () => by.cache.clear());
  }

  /** The source is read at once; its answer takes its time. */
  private load(by: Member, keys: readonly Key[]): Promise<Map<string, string>> {
    const found = new Map<string, string>(keys.map((key) => [key, valueOf(key, this.truth.version[key])]));
    for (const key of keys) this.truth.loads[key]++;
    this.note(`${by.name} asks the source for ${keys.join(', ')}`);
    return new Promise((resolve, reject) =>
      this.fleet.events.addLoad(
        by,
        `the source answers ${[...found.values()].join(', ')} to ${by.name}`,
        () => resolve(found),
        () => reject(new SourceError('the source fails')),
      ),
    );
  }

  private reads(
    by: Member,
    keys: readonly Key[],
    kind: string,
    ask: () => Promise<ReadonlyMap<string, unknown>>,
    atLeast?: Least,
  ): void {
    const least = new Map(
      keys.map((key) => {
        const promised = this.truth.least(key, by, this.fleet.now);
        return [key, atLeast !== undefined && atLeast.version > promised.version ? atLeast : promised];
      }),
    );
    this.call(by, `${kind} ${keys.join(', ')}`, ask, (answers) => {
      for (const key of keys) {
        const wrong = this.truth.judge(key, answers.get(key), least.get(key)!);
        if (wrong !== undefined) this.broken.push(`${by.name}: ${kind} ${key} answered ${wrong}`);
      }
      return keys.map((key) => String(answers.get(key))).join(', ');
    });
  }

  /** Committed, then invalidated (I3). */
  private writes(
    by: Member,
    kind: string,
    keys: readonly Key[],
    invalidate: (version: Record<Key, number>) => Promise<InvalidationResult>,
  ): void {
    if (this.isBeingSet(keys)) return;
    const version = this.truth.commit(keys);
    this.invalidates(by, kind, keys, version, false, () => invalidate(version));
  }

  private invalidates(
    by: Member,
    kind: string,
    keys: readonly Key[],
    version: Record<Key, number>,
    isFenced: boolean,
    invalidate: () => Promise<InvalidationResult>,
  ): void {
    const what = `${kind} ${keys.map((key) => valueOf(key, version[key])).join(', ')}`;
    const call = this.call(by, what, invalidate, ({ acknowledged, position }) => {
      this.writing.delete(call);
      this.truth.settled({ keys, version, by, settledAt: this.fleet.now, acknowledged, position });
      if (!acknowledged && !isFenced) this.unacknowledged.add(by);
      return acknowledged ? 'acknowledged' : 'not acknowledged';
    });
    this.writing.set(call, { keys, isSet: kind === 'set', isFenced });
  }

  /** A transaction: FENCE, then COMMIT when its time comes, then INVALIDATE; or ROLLBACK, and the fence goes. */
  private fences(by: Member, key: Key, commits: boolean): void {
    if (this.isBeingSet([key])) return;
    const { losses } = this;
    this.call(
      by,
      `transaction on ${key}`,
      async () => {
        const fence = await by.cache.fence([{ namespace: 'items', id: key }], { for: '8s' });
        const what = `${commits ? 'COMMIT' : 'ROLLBACK'} of ${key} on ${by.name}`;
        await new Promise<void>((resolve) => this.fleet.events.addCommit(by, what, resolve));
        if (!commits || this.isBeingSet([key])) {
          this.truth.rollBack(key);
          return fence.lift();
        }
        const version = this.truth.commit([key]);
        const safe = fence.standing && losses === this.losses;
        this.note(
          `  ${valueOf(key, version[key])} is committed, the fence ${safe ? 'stands' : 'does not stand'}`,
        );
        if (safe)
          this.truth.settled({
            keys: [key],
            version,
            by: null,
            settledAt: this.fleet.now,
            acknowledged: true,
          });
        return this.invalidates(by, `invalidate behind the fence`, [key], version, safe, () =>
          fence.invalidate(),
        );
      },
      () => 'over',
    );
  }

  private isBeingSet(keys: readonly Key[]): boolean {
    for (const other of this.writing.values())
      if (other.isSet && other.keys.some((key) => keys.includes(key))) return true;
    return false;
  }

  private call<T>(by: Member, what: string, begin: () => Promise<T>, end: (answer: T) => string): Call {
    const call: Call = { what: `${by.name}: ${what}`, by, settled: false };
    this.calls.push(call);
    this.note(call.what);
    begin()
      .then((answer) => {
        if (!by.dead) this.note(`  ${call.what}: ${end(answer)}`);
      })
      .catch((error: unknown) => {
        if (error instanceof SourceError) this.note(`  ${call.what}: ${error.message}`);
        else this.broken.push(`${call.what} rejected with ${String(error)}`);
      })
      .finally(() => (call.settled = true));
    return call;
  }
}
