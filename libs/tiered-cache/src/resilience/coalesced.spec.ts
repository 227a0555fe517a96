import type { RemoteTier } from '../remote/remote-tier.js';
import { type Asker, Coalesced } from './coalesced.js';

const TIER = {} as RemoteTier;

function coalesced() {
  const sent: (number | readonly number[])[] = [];
  const refused: unknown[] = [];
  const sender = {
    run: <R>(command: (tier: RemoteTier) => Promise<R>) => command(TIER),
    refused: (error: unknown) => {
      refused.push(error);
      return Promise.reject<never>(error);
    },
  };
  const requests = new Coalesced<number, string>(
    sender,
    (_, request) => {
      sent.push(request);
      return request < 0 ? Promise.reject(new Error('alone')) : Promise.resolve(`one ${request}`);
    },
    (_, many) => {
      sent.push(many);
      if (many.includes(0)) return Promise.reject(new Error('all'));
      return Promise.resolve(
        many.map((request) => (request < 0 ? new Error(`no ${request}`) : `many ${request}`)),
      );
    },
  );
  return { requests, sent, refused };
}

describe('requests of one turn', () => {
  it('stay alone when alone', async () => {
    const { requests, sent } = coalesced();
    expect(await requests.send(1)).toBe('one 1');
    expect(await requests.send(2)).toBe('one 2');
    await expect(requests.send(-1)).rejects.toThrow('alone');
    expect(sent).toEqual([1, 2, -1]);
  });

  it('go together, also when they are made in promise callbacks', async () => {
    const { requests, sent } = coalesced();
    const later = Promise.resolve().then(() =>
      Promise.all([requests.send(1), Promise.resolve().then(() => requests.send(2))]),
    );
    expect(await later).toEqual(['many 1', 'many 2']);
    expect(sent).toEqual([[1, 2]]);
  });

  it('stay together: those who were answered together and ask again', async () => {
    const { requests, sent } = coalesced();
    const twice = async (first: number) => {
      await requests.send(first);
      return requests.send(first + 10);
    };
    await Promise.all([twice(1), twice(2), twice(3)]);
    expect(sent).toEqual([
      [1, 2, 3],
      [11, 12, 13],
    ]);
  });

  it('fail one by one, each noted by the circuit, or all when nothing could be sent', async () => {
    const { requests, refused } = coalesced();
    const results = await Promise.allSettled([requests.send(1), requests.send(-2), requests.send(3)]);
    expect(results).toMatchObject([
      { value: 'many 1' },
      { reason: { message: 'no -2' } },
      { value: 'many 3' },
    ]);
    expect(refused).toMatchObject([{ message: 'no -2' }]);
    const lost = await Promise.allSettled([requests.send(1), requests.send(0)]);
    expect(lost.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });

  it('above 256 go in several commands at once, each answered by itself', async () => {
    const { requests, sent } = coalesced();
    const told: string[] = [];
    const asker: Asker<string> = { answered: (answer) => void told.push(answer), failed: () => undefined };
    for (let i = 1; i <= 600; i++) requests.add(i, asker);
    await new Promise((resolve) => setImmediate(resolve));
    expect(sent.map((many) => (many as number[]).length)).toEqual([256, 256, 88]);
    expect(told).toEqual(Array.from({ length: 600 }, (_, i) => `many ${i + 1}`));
  });
});
