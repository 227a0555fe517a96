import { chunks } from './chunks.js';
import { TickBatch } from './tick-batch.js';

describe('requests of one turn', () => {
  const batchOf = () => {
    const sent: (number | number[])[] = [];
    const batch = new TickBatch<number, string>(
      (request) => {
        sent.push(request);
        return request < 0 ? Promise.reject(new Error('alone')) : Promise.resolve(`one ${request}`);
      },
      (requests) => {
        sent.push(requests);
        if (requests.includes(0)) return Promise.reject(new Error('all'));
        return Promise.resolve(
          requests.map((request) => (request < 0 ? new Error(`no ${request}`) : `many ${request}`)),
        );
      },
    );
    return { batch, sent };
  };

  it('stay alone when alone', async () => {
    const { batch, sent } = batchOf();
    expect(await batch.add(1)).toBe('one 1');
    expect(await batch.add(2)).toBe('one 2');
    await expect(batch.add(-1)).rejects.toThrow('alone');
    expect(sent).toEqual([1, 2, -1]);
  });

  it('go together, also when they are made in promise callbacks', async () => {
    const { batch, sent } = batchOf();
    const later = Promise.resolve().then(() =>
      Promise.all([batch.add(1), Promise.resolve().then(() => batch.add(2))]),
    );
    expect(await later).toEqual(['many 1', 'many 2']);
    expect(sent).toEqual([[1, 2]]);
  });

  it('fail one by one, or all when nothing could be sent', async () => {
    const { batch } = batchOf();
    const results = await Promise.allSettled([batch.add(1), batch.add(-2), batch.add(3)]);
    expect(results).toMatchObject([
      { value: 'many 1' },
      { reason: { message: 'no -2' } },
      { value: 'many 3' },
    ]);
    const lost = await Promise.allSettled([batch.add(1), batch.add(0)]);
    expect(lost.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });
});

describe('chunks', () => {
  it('hold at most so many items, and all of them in order', () => {
    expect([...chunks([1, 2, 3, 4, 5], 2)]).toEqual([[1, 2], [3, 4], [5]]);
    expect([...chunks([], 2)]).toEqual([]);
  });

  it('hold at most so many bytes, but for a single item', () => {
    expect([...chunks([3, 3, 9, 1, 1], 10, (size) => size, 5)]).toEqual([[3], [3], [9], [1, 1]]);
  });
});
