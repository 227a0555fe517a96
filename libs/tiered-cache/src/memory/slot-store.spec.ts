import { randomInt } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { TagTable } from '../coherence/tag-table.js';
import { InvalidOptionsError } from '../errors.js';
import { entryKey } from '../keys/entry-key.js';
import type { NewEntry, Special } from './memory-store.js';
import { SlotStore, SWEEP_LIMIT } from './slot-store.js';

const seed = Number(process.env.FC_SEED ?? randomInt(2 ** 31));
const OWN = '#ns:n';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

class Bench {
  readonly gate = { epoch: 0, now: 0, isBefore: (at: number) => this.gate.now < at };
  readonly tags = new TagTable(this.gate);
  readonly removed: [string, string][] = [];
  readonly store: SlotStore;

  constructor(maxEntries: number, maxBytes = 1_000_000) {
    const onRemoval = (namespace: string, reason: string) => void this.removed.push([namespace, reason]);
    this.store = new SlotStore({ maxEntries, maxBytes, onRemoval }, this.gate);
  }

  put(id: string, options: Partial<NewEntry> & { in?: string; own?: string[] } = {}): boolean {
    const { in: namespace = 'n', own = [], ...entry } = options;
    const tags = [namespace === 'n' ? OWN : `#ns:${namespace}`, ...own].map((tag) => this.tags.state(tag));
    const made = {
      id: undefined,
      value: `value of ${id}`,
      bytes: 10,
      expiresAt: Infinity,
      special: undefined,
      ...entry,
    };
    return this.store.put(this.store.shelf(namespace), entryKey(namespace, id), { ...made, tags });
  }

  slot(id: string, namespace = 'n'): number | undefined {
    return this.store.slotOf(entryKey(namespace, id));
  }

  value(id: string, namespace = 'n'): unknown {
    const slot = this.slot(id, namespace);
    return slot === undefined ? undefined : this.store.value(slot);
  }

  delete(id: string): boolean {
    return this.store.delete(entryKey('n', id));
  }

  get ids(): string[] {
    return [...this.store.entries()].map(([key]) => key.slice(2)).sort();
  }
}

function special(times: Partial<Special> = {}): Special {
  const never = { expiresAt: Infinity, staleUntil: Infinity, refreshAt: Infinity, slideAt: Infinity };
  return { delivery: null, slidingMs: 0, created: 0, ...never, ...times };
}

describe('finding', () => {
  const ids = ['a', 'a b', '%20', ' ', '~', '~x', `~${'0'.repeat(64)}`, 'ü', '\ud800', '1', 'x'.repeat(600), 'ü'.repeat(300), 'n:a', '{}*?']; // prettier-ignore

  it('tells any two ids apart, by id and by key', () => {
    const { store } = new Bench(100);
    const bench = new Bench(100);
    for (const id of ids) bench.put(id);
    expect(bench.store.size).toBe(ids.length);
    for (const id of ids) {
      expect(bench.value(id)).toBe(`value of ${id}`);
      expect(bench.value(id, 'other')).toBeUndefined();
    }
    expect([...bench.store.entries()].map(([key]) => key).sort()).toEqual(
      ids.map((id) => entryKey('n', id)).sort(),
    );
    for (const id of ids) {
      expect(bench.delete(id)).toBe(true);
      expect(bench.delete(id)).toBe(false);
    }
    expect([bench.store.size, store.size]).toEqual([0, 0]);
  });

  it('by the index, leads from an id to its slot, unless it goes by its hash', () => {
    const bench = new Bench(100);
    for (const id of ids) bench.put(id);
    const { index } = bench.store.shelf('n');
    for (const id of ids) expect(index.get(id)).toBe(id.length < 300 ? bench.slot(id) : undefined);
  });

  it('keeps namespaces apart', () => {
    const bench = new Bench(100);
    bench.put('a', { value: 1 });
    bench.put('a', { value: 2, in: 'm' });
    expect([bench.value('a'), bench.value('a', 'm')]).toEqual([1, 2]);
    bench.delete('a');
    expect([bench.value('a'), bench.value('a', 'm')]).toEqual([undefined, 2]);
  });

  it.each(['', 'n', ':', 'n:', ':a', 'n:%zz', 'n:%2', 'n:~', '#lock:a', 'n:a'])(
    'knows nothing of %j',
    (key) => {
      const bench = new Bench(10);
      bench.put('other');
      expect(bench.store.slotOf(key)).toBeUndefined();
      expect(bench.store.delete(key)).toBe(false);
      expect(bench.store.peek(key)).toBeUndefined();
    },
  );

  it('removes what matches, and what can never be served again', () => {
    const bench = new Bench(100);
    for (const id of ['a1', 'a2', 'b1']) bench.put(id);
    bench.put('b2', { own: ['t'] });
    bench.tags.touch('t');
    bench.put('b3', { own: ['t'] });
    bench.store.deleteMatching((key) => key.startsWith('n:a'));
    expect(bench.ids).toEqual(['b1', 'b3']);
    expect(bench.removed).toEqual([]);
  });
});

describe('capacity', () => {
  it('keeps at most maxEntries, and says what left', () => {
    const bench = new Bench(2);
    for (const id of ['a', 'b', 'c']) bench.put(id);
    expect(bench.store.size).toBe(2);
    expect(bench.value('c')).toBe('value of c');
    expect(bench.removed).toEqual([['n', 'evict']]);
  });

  it('keeps what is used', () => {
    const bench = new Bench(10);
    bench.put('a');
    for (let i = 0; i < 200; i++) {
      bench.store.used(bench.slot('a')!);
      bench.put(`once${i}`);
    }
    expect(bench.value('a')).toBe('value of a');
  });

  it('refuses an entry above the budget, and keeps nothing older under its key', () => {
    const bench = new Bench(10, 100);
    bench.put('other', { bytes: 50 });
    bench.put('a');
    expect(bench.put('a', { bytes: 101 })).toBe(false);
    expect(bench.put('b', { bytes: Infinity })).toBe(false);
    expect([bench.ids, bench.store.bytes, bench.removed]).toEqual([['other'], 50, []]);
    expect(bench.put('a', { bytes: 100 })).toBe(true);
    expect([bench.ids, bench.removed]).toEqual([['a'], [['n', 'evict']]]);
  });

  it('makes room for a value that became heavier, and counts one that became lighter', () => {
    const bench = new Bench(10, 100);
    for (const id of ['a', 'b', 'c', 'd']) bench.put(id, { bytes: 25 });
    bench.put('a', { bytes: 75 });
    expect([bench.store.size, bench.store.bytes]).toEqual([2, 100]);
    expect(bench.value('a')).toBe('value of a');
    bench.put('a', { bytes: 5 });
    expect(bench.store.bytes).toBe(30);
  });

  it('takes sizes of zero and fractions', () => {
    const bench = new Bench(10, 100);
    expect([bench.put('a', { bytes: 0 }), bench.put('b', { bytes: 1.5 })]).toEqual([true, true]);
    expect(bench.store.bytes).toBe(3);
  });

  it('both budgets hold after any sequence, and every entry answers its own value', () => {
    const step = fc.record({
      id: fc.constantFrom(...Array.from('abcdefghij'), 'k'.repeat(600), '% %'),
      bytes: fc.nat(60),
      what: fc.constantFrom('put', 'put', 'put', 'delete', 'read', 'sweep', 'touch', 'clear'),
      staleUntil: fc.constantFrom(Infinity, 500, 1_500, 5_000_000),
      own: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const bench = new Bench(5, 100);
        const last = new Map<string, number>();
        let now = 0;
        for (const [i, { id, bytes, what, staleUntil, own }] of steps.entries()) {
          if (what === 'put') {
            const times = special({ expiresAt: now, staleUntil: now + staleUntil });
            const put = { value: i, bytes, special: times, own: own ? ['t'] : [] };
            expect(bench.put(id, put)).toBe(true);
            last.set(id, i);
            expect(bench.value(id)).toBe(i);
          } else if (what === 'delete') bench.delete(id);
          else if (what === 'sweep') bench.store.sweep((now += 1_000));
          else if (what === 'touch') bench.tags.touch('t');
          else if (what === 'clear') bench.store.clear();
          else if (bench.slot(id) !== undefined) bench.store.used(bench.slot(id)!);
          const held = [...bench.store.entries()];
          expect(held.length).toBeLessThanOrEqual(5);
          expect(bench.store.size).toBe(held.length);
          expect(bench.store.bytes).toBeLessThanOrEqual(100);
          for (const one of last.keys()) {
            const value = bench.value(one);
            if (value !== undefined) expect(value).toBe(last.get(one));
          }
        }
      }),
      { seed },
    );
  });

  it('says nothing of deletes, clears and replacements', () => {
    const bench = new Bench(5);
    bench.put('a');
    bench.put('a');
    bench.delete('a');
    bench.put('b', { expiresAt: 1_000 });
    bench.store.clear();
    expect([bench.store.size, bench.store.bytes, bench.store.sweep(1e9), bench.removed]).toEqual([
      0,
      0,
      0,
      [],
    ]);
    bench.put('c');
    expect(bench.ids).toEqual(['c']);
  });

  it('grows', () => {
    const bench = new Bench(40_000);
    for (let i = 0; i < 50_000; i++) bench.put(`k${i}`, { value: i, expiresAt: i });
    expect(bench.store.size).toBe(40_000);
    for (const [key, node] of bench.store.entries()) {
      const i = Number(key.slice(3));
      if (node.delivery.take() !== i || node.expiresAt !== i) throw new Error(`${key} is another one`);
    }
    let left = 0;
    for (let sweep = 0; sweep < 10; sweep++) left += bench.store.sweep(60_000);
    expect(left).toBe(40_000);
  });

  it.each([0, -1, 1.5, NaN, Infinity])('refuses a budget of %s', (wrong) => {
    expect(() => new Bench(wrong, 1)).toThrow(InvalidOptionsError);
    expect(() => new Bench(1, wrong)).toThrow(InvalidOptionsError);
  });
});

describe('a slot that changes hands', () => {
  const leave: [string, (bench: Bench) => unknown][] = [
    ['deleted', (bench) => bench.delete('a')],
    ['replaced', (bench) => bench.put('a', { value: 'new' })],
    ['refused', (bench) => bench.put('a', { bytes: Infinity })],
    ['evicted', (bench) => bench.put('b')],
    ['cleared', (bench) => bench.store.clear()],
    ['expired', (bench) => bench.store.sweep(1e6)],
    ['matched by a pattern', (bench) => bench.store.deleteMatching(() => true)],
  ];

  it.each(leave)('is held by nobody any longer: %s', (_, goes) => {
    const bench = new Bench(1);
    bench.put('a', { expiresAt: 1_000 });
    const slot = bench.slot('a')!;
    const generation = bench.store.generation(slot);
    expect(bench.store.holds(slot, generation)).toBe(true);
    goes(bench);
    expect(bench.store.holds(slot, generation)).toBe(false);
    bench.put('c');
    expect(bench.store.holds(slot, generation)).toBe(false);
  });

  it.each(leave)('answers nothing of the value before: %s', async (_, goes) => {
    const bench = new Bench(1);
    bench.put('a', { value: 'old', own: ['t'], special: special({ expiresAt: 1_000, staleUntil: 1_000 }) });
    const slot = bench.slot('a')!;
    expect(await bench.store.promise(slot)).toBe('old');
    goes(bench);
    if (bench.store.size === 0) expect(bench.store.isPlain(slot)).toBe(false);
    bench.put('c', { value: 'new' });
    expect(bench.slot('c')).toBe(slot);
    expect([bench.store.value(slot), await bench.store.promise(slot)]).toEqual(['new', 'new']);
    expect([bench.store.special(slot), bench.store.expiresAt(slot)]).toEqual([undefined, Infinity]);
    bench.tags.touch('t');
    expect(bench.store.isIntact(slot)).toBe(true);
  });

  it.each(leave)('keeps no value alive: %s', async (_, goes) => {
    const bench = new Bench(1);
    let gone = 0;
    const registry = new FinalizationRegistry(() => gone++);
    const put = () => {
      const value = { n: 1 };
      registry.register(value, '');
      bench.put('a', { value, expiresAt: 1_000 });
      void bench.store.promise(bench.slot('a')!);
    };
    put();
    goes(bench);
    for (let i = 0; i < 20 && gone === 0; i++) {
      collect();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(gone).toBe(1);
  });
});

describe('the vector', () => {
  it('ends with the tag of the namespace, and with any of its own', () => {
    const bench = new Bench(10);
    bench.put('plain');
    bench.put('tagged', { own: ['t', 'u'] });
    bench.put('elsewhere', { in: 'm' });
    const intact = () => [bench.slot('plain'), bench.slot('tagged'), bench.slot('elsewhere', 'm')].map((slot) => bench.store.isIntact(slot!)); // prettier-ignore
    expect(intact()).toEqual([true, true, true]);
    bench.tags.touch('other');
    expect(intact()).toEqual([true, true, true]);
    bench.tags.touch('u');
    expect(intact()).toEqual([true, false, true]);
    bench.tags.touch(OWN);
    expect(intact()).toEqual([false, false, true]);
    bench.tags.forgetAll();
    expect(intact()).toEqual([false, false, false]);
  });

  it('is that of the value that is there, not of one it replaced', () => {
    const bench = new Bench(10);
    bench.put('a', { own: ['t'] });
    bench.put('a', { own: ['u'] });
    bench.tags.touch('t');
    expect(bench.store.isIntact(bench.slot('a')!)).toBe(true);
    bench.put('a');
    bench.tags.touch('u');
    expect(bench.store.isIntact(bench.slot('a')!)).toBe(true);
  });

  it('is compared once per touch: until then nobody has to think, after that once', () => {
    const bench = new Bench(10);
    bench.put('a');
    const slot = bench.slot('a')!;
    expect(bench.store.isPlain(slot)).toBe(true);
    bench.tags.touch('other');
    expect(bench.store.isPlain(slot)).toBe(false);
    expect(bench.store.isIntact(slot)).toBe(true);
    expect(bench.store.isPlain(slot)).toBe(true);
  });

  it('stays broken, also when the tag is forgotten and made anew', () => {
    const gate = { epoch: 0, isBefore: () => true };
    const tags = new TagTable(gate, 3);
    const store = new SlotStore({ maxEntries: 10, maxBytes: 1_000 }, gate);
    const put = (id: string) =>
      store.put(store.shelf('n'), `n:${id}`, {
        id,
        value: id,
        bytes: 1,
        expiresAt: Infinity,
        tags: [tags.state(OWN)],
        special: undefined,
      });
    put('a');
    for (const tag of ['t', 'u', 'v', 'w']) tags.state(tag);
    expect(store.isIntact(store.slotOf('n:a')!)).toBe(false);
    put('b');
    expect(store.isIntact(store.slotOf('n:a')!)).toBe(false);
    expect(store.isIntact(store.slotOf('n:b')!)).toBe(true);
  });
});

describe('time', () => {
  const until = (staleUntil: number) => ({ special: special({ expiresAt: 0, staleUntil }) });

  it('says when somebody has to think', () => {
    const bench = new Bench(10);
    bench.put('plain', { expiresAt: 50 });
    bench.put('refreshed', { special: special({ expiresAt: 90, refreshAt: 30, slideAt: 40 }) });
    const [plain, refreshed] = [bench.slot('plain')!, bench.slot('refreshed')!];
    expect([bench.store.attentionAt(plain), bench.store.expiresAt(plain)]).toEqual([50, 50]);
    expect([bench.store.attentionAt(refreshed), bench.store.expiresAt(refreshed)]).toEqual([30, 90]);
    for (const now of [0, 29, 30, 49, 50]) {
      bench.gate.now = now;
      expect(bench.store.isPlain(plain)).toBe(now < 50);
      expect(bench.store.isPlainAt(plain, now)).toBe(now < 50);
      expect(bench.store.isPlain(refreshed)).toBe(now < 30);
    }
    bench.store.special(refreshed)!.refreshAt = Infinity;
    bench.store.retimed(refreshed);
    bench.gate.now = 39;
    expect(bench.store.isPlain(refreshed)).toBe(true);
    bench.gate.now = Infinity;
    bench.put('for ever');
    expect(bench.store.isPlain(bench.slot('for ever')!)).toBe(false);
  });

  it('removes what is past staleUntil without a read, within a second, and never before', () => {
    const bench = new Bench(10);
    bench.put('a', until(10_500));
    bench.put('b', until(12_000));
    bench.put('forever');
    expect(bench.store.sweep(10_499)).toBe(0);
    expect(bench.store.sweep(11_000)).toBe(1);
    expect(bench.store.sweep(11_999)).toBe(0);
    expect(bench.store.sweep(13_000)).toBe(1);
    expect(bench.removed).toEqual([['n', 'expire'], ['n', 'expire']]); // prettier-ignore
    expect([bench.store.sweep(1e9), bench.ids, bench.store.bytes]).toEqual([0, ['forever'], 10]);
  });

  it('follows a time that moved later, one that moved earlier, and one that became or ceased to be for ever', () => {
    const bench = new Bench(10);
    const times = { later: 5_000, earlier: 60_000, endless: 5_000, ended: Infinity };
    for (const [id, at] of Object.entries(times)) bench.put(id, { expiresAt: at });
    const moved = { later: 20_000, earlier: 2_000, endless: Infinity, ended: 2_500 };
    for (const [id, at] of Object.entries(moved)) {
      const slot = bench.slot(id)!;
      bench.store.retime(slot, { expiresAt: at, staleUntil: at, slideAt: Infinity });
      expect(bench.store.expiresAt(slot)).toBe(at);
    }
    expect(bench.store.sweep(3_000)).toBe(2);
    expect(bench.ids).toEqual(['endless', 'later']);
    expect(bench.store.sweep(19_999)).toBe(0);
    expect(bench.store.sweep(21_000)).toBe(1);
    expect(bench.ids).toEqual(['endless']);
  });

  it('spends nothing on what has left, and has nothing left of a value that was replaced', () => {
    const bench = new Bench(10);
    bench.put('a', { expiresAt: 1_000 });
    bench.put('b', { special: special({ expiresAt: 1_000, staleUntil: 2_000, refreshAt: 500 }) });
    bench.put('b', { expiresAt: 90_000 });
    bench.delete('a');
    expect([bench.store.sweep(50_000), bench.removed, bench.store.size]).toEqual([0, [], 1]);
    const slot = bench.slot('b')!;
    expect([bench.store.special(slot), bench.store.attentionAt(slot)]).toEqual([undefined, 90_000]);
  });

  it('a new life ends what was due of the old one', () => {
    const bench = new Bench(10);
    bench.put('a', { special: special({ expiresAt: 100, staleUntil: 150, refreshAt: 50, slideAt: 10 }) });
    const slot = bench.slot('a')!;
    bench.store.retime(slot, { expiresAt: 200, staleUntil: 250, slideAt: 110 });
    expect([bench.store.attentionAt(slot), bench.store.node(slot).staleUntil]).toEqual([110, 250]);
  });

  it('goes by the entry that is there, not by one it replaced', () => {
    const bench = new Bench(10);
    bench.put('a', until(2_000));
    bench.put('a', until(50_000));
    expect(bench.store.sweep(10_000)).toBe(0);
    bench.put('a', until(12_000));
    expect(bench.store.sweep(13_000)).toBe(1);
    bench.put('b', until(20_000));
    bench.put('b');
    expect(bench.store.sweep(30_000)).toBe(0);
  });

  it('does bounded work per sweep and finishes over several', () => {
    const bench = new Bench(20_000);
    for (let i = 0; i < 2 * SWEEP_LIMIT + 5; i++)
      bench.put(`k${i}`, { bytes: 1, expiresAt: 1_000 + (i % 3_000) });
    expect([1, 2, 3, 4].map(() => bench.store.sweep(10_000))).toEqual([SWEEP_LIMIT, SWEEP_LIMIT, 5, 0]);
  });

  it('forgets the times of what was evicted and deleted, and keeps those of what came after', () => {
    const bench = new Bench(1);
    bench.put('a', until(5_000));
    bench.put('b', until(5_000));
    bench.delete('b');
    bench.put('b', until(8_000));
    expect(bench.store.sweep(6_000)).toBe(0);
    expect(bench.store.sweep(9_000)).toBe(1);
    expect(bench.removed).toEqual([['n', 'evict'], ['n', 'expire']]); // prettier-ignore
  });
});
