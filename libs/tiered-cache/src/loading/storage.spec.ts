import { closeFleets, embedded, fleet, type Fleet } from '../../../../test/support/fleet.js';
import { EntryTooLargeError, type NamespaceOptions } from '../index.js';

afterEach(closeFleets);

interface Row {
  id: number;
  name: string;
  at?: Date;
}

const small: Row[] = [{ id: 1, name: 'one' }];
const rows = (count: number, when = false): Row[] =>
  Array.from({ length: count }, (_, id) => ({ id, name: `row ${id}`, ...(when && { at: new Date(id) }) }));
/** Written in slices. */
const big = rows(2_500);
const bigTyped = rows(2_500, true);

const items = ({ nodes }: Fleet, at: number) => nodes[at]!.namespace<Row[]>('items');

async function nodes(...options: Partial<NamespaceOptions>[]): Promise<Fleet> {
  const all = await fleet({ nodes: options.length, namespaces: {} });
  options.forEach((own, i) => all.nodes[i]!.declareNamespace('items', { ttl: '10m', ...own }));
  await all.clock.pass(1);
  return all;
}

const WAYS: [string, Partial<NamespaceOptions>][] = [
  ['json', {}],
  ['msgpack', { codec: 'msgpack' }],
  ['json, compressed', { compression: { algorithm: 'deflate', threshold: 0 } }],
  ['msgpack, compressed', { codec: 'msgpack', compression: { algorithm: 'brotli', threshold: 0 } }],
];

describe.each(WAYS)('values stored as %s', (_name, options) => {
  it.each<[string, Row[]]>([
    ['small', small],
    ['of medium size', rows(500)],
    ['big', big],
    ['big, with dates', bigTyped],
  ])('reach the other node: %s', async (_size, value) => {
    const all = await nodes(options, options);
    expect(await items(all, 0).getOrSet('a', () => value)).toStrictEqual(value);
    await items(all, 0).set('b', value);
    const other = items(all, 1);
    expect(await other.get('a')).toStrictEqual(value);
    expect((await other.getMany(['a', 'b'])).get('b')).toStrictEqual(value);
    const unused = () => Promise.reject(new Error('loaded'));
    expect(await other.getOrSet('b', unused)).toStrictEqual(value);
    expect((await other.getOrSetMany(['a', 'b'], unused)).get('a')).toStrictEqual(value);
    expect(other.peek('b')).toStrictEqual(value);
    expect(all.nodes[1]!.stats().namespaces['items']!.errors).toBe(0);
  });

  it.each<[string, NamespaceOptions['codec'], NamespaceOptions['compression']]>([
    ['json', 'json', false],
    ['msgpack', 'msgpack', false],
    ['another compression', 'json', { algorithm: 'gzip', threshold: 0 }],
  ])('are read by a node that writes %s', async (_other, codec, compression) => {
    const all = await nodes(options, { codec, compression });
    for (const value of [small, rows(500), big]) {
      await items(all, 0).set('a', value);
      expect(await items(all, 1).get('a')).toStrictEqual(value);
      await items(all, 1).set('a', value);
      expect(await items(all, 0).get('a')).toStrictEqual(value);
    }
  });
});

describe('big values', () => {
  const shared = () => nodes({}, {});

  it('are frozen where they can be, and then one for all readers', async () => {
    const all = await shared();
    const loaded = await items(all, 0).getOrSet('a', () => big);
    expect(loaded).not.toBe(big);
    expect([Object.isFrozen(loaded), Object.isFrozen(loaded[7]), Object.isFrozen(big)]).toEqual([true, true, false]); // prettier-ignore
    expect(items(all, 0).peek('a')).toBe(loaded);
    const read = await items(all, 1).get('a');
    expect([Object.isFrozen(read), Object.isFrozen(read![7])]).toEqual([true, true]);
    expect(items(all, 1).peek('a')).toBe(read);
  });

  it.each<[string, NamespaceOptions['values'], Row[]]>([
    ['which cannot be frozen', 'frozen', bigTyped],
    ['cloned', 'cloned', big],
  ])('%s are each reader’s own', async (_name, values, value) => {
    for (const all of [await nodes({ values }, { values }), { nodes: [embeddedWith(values), embeddedWith(values)] } as Fleet]) {
      for (const node of [0, 1]) {
        const own = items(all, node);
        const seen = await Promise.all([own.getOrSet('a', () => value), own.getOrSet('a', () => value)]);
        seen.push(await own.getOrSet('a', () => value), (await own.get('a'))!, own.peek('a')!);
        seen.push((await own.getMany(['a'])).get('a')!, (await own.getOrSetMany(['a'], () => new Map())).get('a')!);
        for (const one of seen) {
          expect(one[7]).toStrictEqual(value[7]);
          expect(Object.isFrozen(one)).toBe(false);
          one[7]!.name = 'spoilt';
        }
        expect(value[7]!.name).toBe('row 7');
      }
    }
  }); // prettier-ignore

  function embeddedWith(values: NamespaceOptions['values']) {
    return embedded({ namespaces: { items: { ttl: '10m', values } } }).cache;
  }

  it('are read in turns of the event loop that others have, too', async () => {
    const all = await shared();
    const turnsToRead = async (id: string, value: Row[]): Promise<number> => {
      await items(all, 0).set(id, value);
      let turns = 0;
      let isRead = false;
      const count = () => (isRead ? undefined : (turns++, setImmediate(count)));
      setImmediate(count);
      await items(all, 1).getOrSet(id, () => []);
      isRead = true;
      return turns;
    };
    await turnsToRead('first', small);
    const least = await turnsToRead('small', small);
    expect(await turnsToRead('big', big)).toBeGreaterThan(least);
  });

  it('one decode serves all who wait for it', async () => {
    const all = await shared();
    await items(all, 0).set('a', big);
    const read = await Promise.all(Array.from({ length: 20 }, () => items(all, 1).getOrSet('a', () => []))); // prettier-ignore
    expect(new Set(read).size).toBe(1);
    expect(read[0]).toStrictEqual(big);
  });

  it('an invalidation during the encoding wins: what was known before it is not stored', async () => {
    const all = await shared();
    const setting = items(all, 0).set('a', big);
    const deleting = items(all, 0).delete('a');
    await Promise.all([setting, deleting]);
    await all.clock.pass(10);
    expect(await items(all, 0).get('a')).toBeUndefined();
    expect(await items(all, 1).get('a')).toBeUndefined();
  });

  it('of two sets at once no value is left but the later one', async () => {
    const all = await shared();
    const first = items(all, 0).set('a', big);
    const second = items(all, 0).set('a', small);
    await Promise.all([first, second]);
    await all.clock.pass(10);
    expect([undefined, small]).toContainEqual(await items(all, 1).get('a'));
  });

  it('an invalidation by another node while it is decoded keeps it out of L1', async () => {
    const all = await shared();
    await items(all, 0).set('a', big);
    const reading = items(all, 1).get('a');
    await items(all, 0).delete('a');
    await all.clock.pass(1);
    await reading;
    expect(items(all, 1).peek('a')).toBeUndefined();
    expect(await items(all, 1).get('a')).toBeUndefined();
  });

  it('too large: set says so, a load is returned and not stored', async () => {
    const all = await nodes({ maxEntryBytes: 20_000 }, { maxEntryBytes: 20_000 });
    await expect(items(all, 0).set('a', big)).rejects.toThrow(EntryTooLargeError);
    expect(await items(all, 0).getOrSet('a', () => big)).toStrictEqual(big);
    expect(await items(all, 1).get('a')).toBeUndefined();
    expect(all.nodes[0]!.stats().notStored).toBe(1);
  });

  it('that cannot be written: set says so, a load is returned and not stored', async () => {
    const all = await shared();
    const bad = [...big, { id: 1, name: () => 1 } as never];
    await expect(items(all, 0).set('a', bad)).rejects.toThrow('a function at 2500.name');
    expect(await items(all, 0).getOrSet('a', () => bad)).toBe(bad);
  });

  it('the limit is of what is stored before compression, and on the way back, too', async () => {
    const compression = { algorithm: 'deflate', threshold: 0 } as const;
    const all = await nodes({ compression }, { compression, maxEntryBytes: 1_000 });
    await items(all, 0).set('a', rows(500));
    expect(await items(all, 1).get('a')).toBeUndefined();
    await expect(items(all, 1).set('a', rows(500))).rejects.toThrow(EntryTooLargeError);
  });
});

describe('the options', () => {
  it.each<[string, object, string]>([
    ['codec', { codec: 'xml' }, "'json', 'msgpack'"],
    ['compression', { compression: 'lzw' }, "false, 'deflate', 'gzip', 'brotli'"],
    ['compression', { compression: true }, "'deflate'"],
    ['compression.algorithm', { compression: { algorithm: 'x' } }, "'deflate'"],
    ['compression.threshold', { compression: { algorithm: 'gzip', threshold: -1 } }, 'a whole number from 0'],
    ['compression.level', { compression: { algorithm: 'gzip', level: 9 } }, 'algorithm, threshold'],
  ])('%s is refused when it is wrong', (option, own, allowed) => {
    const { cache } = embedded();
    const declare = () => cache.declareNamespace('other', { ttl: '1m', ...own });
    expect(declare).toThrow(`"namespaces.other.${option}"`);
    expect(declare).toThrow(allowed);
  });

  it('equal options twice are one namespace', () => {
    const { cache } = embedded();
    const own: NamespaceOptions = { ttl: '1m', compression: { algorithm: 'gzip' } };
    expect(cache.declareNamespace('other', own)).toBe(cache.declareNamespace('other', { ttl: '1m', compression: 'gzip' })); // prettier-ignore
  });

  it('the packages that codecs need are loaded before they are used', async () => {
    const { cache } = embedded({ namespaces: { items: { ttl: '1m', codec: 'msgpack' } } });
    await expect(cache.loadCodecs()).resolves.toBeUndefined();
  });
});
