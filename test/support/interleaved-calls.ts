import type { InvalidationResult } from '../../libs/tiered-cache/src/index.js';
import type { InterleavedFleet, Member } from './interleaved-fleet.js';
import type { ReadKind, WriteKind } from './interleaved-steps.js';
import { type Key, KEYS, type Truth, valueOf } from './interleaved-truth.js';

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
  private readonly writing = new Map<Call, { keys: readonly Key[]; isSet: boolean }>();
  /** A process was killed with an invalidation unacknowledged: only an outbox would know of it. */
  orphans = false;

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
    if (member.cache.health().pendingInvalidations > 0) this.orphans = true;
    for (const call of this.writing.keys())
      if (call.by === member) {
        this.orphans = true;
        this.writing.delete(call);
      }
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
  ): void {
    const least = new Map(keys.map((key) => [key, this.truth.least(key, by, this.fleet.now)]));
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
    const isSet = kind === 'set';
    for (const other of this.writing.values())
      if (other.isSet && other.keys.some((key) => keys.includes(key))) return;
    const version = this.truth.commit(keys);
    const what = `${kind} ${keys.map((key) => valueOf(key, version[key])).join(', ')}`;
    const call = this.call(
      by,
      what,
      () => invalidate(version),
      ({ acknowledged }) => {
        this.writing.delete(call);
        this.truth.settled({ keys, version, by, settledAt: this.fleet.now, acknowledged });
        return acknowledged ? 'acknowledged' : 'not acknowledged';
      },
    );
    this.writing.set(call, { keys, isSet });
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
