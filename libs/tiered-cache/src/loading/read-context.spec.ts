import { AsyncLocalStorage } from 'node:async_hooks';
import { closeFleets, fleet } from '../../../../test/support/fleet.js';

afterEach(closeFleets);

describe('reads that leave together', () => {
  it('load, and are listened to, each in the async context of its own reader', async () => {
    const { nodes } = await fleet();
    const request = new AsyncLocalStorage<string>();
    const seen: string[] = [];
    const read = (id: string) =>
      request.run(id, () => nodes[0]!.getOrSet('items', id, () => `${id} in ${request.getStore()}`));
    expect(await Promise.all([read('a'), read('b'), read('c')])).toEqual(['a in a', 'b in b', 'c in c']);

    nodes[0]!.on('read', ({ id }) => seen.push(`${id} in ${request.getStore()}`));
    await Promise.all([read('d'), read('e')]);
    expect(seen).toEqual(['d in d', 'e in e']);

    // Two requests for one entry, of which the second one joins the first.
    seen.length = 0;
    const join = (name: string) =>
      request.run(name, () => nodes[0]!.getOrSet('items', 'f', async () => name));
    expect(await Promise.all([join('first'), join('second')])).toEqual(['first', 'first']);
    expect(seen).toEqual(['f in first', 'f in second']);
  });
});
