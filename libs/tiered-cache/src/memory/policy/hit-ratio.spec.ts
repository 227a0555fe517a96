import { randomInt } from 'node:crypto';
import { GittinsPolicy } from './gittins-policy.js';
import { Random } from './random.js';

const seed = Number(process.env.POLICY_SEED ?? randomInt(2 ** 31));
const REQUESTS = 20_000;

type Requests = (random: Random, capacity: number) => (i: number) => number;

/** Skewed towards 0, as a product of two dice is. */
const skewed = (random: Random, items: number) => random.below(1 + random.below(1 + random.below(items)));

const FAMILIES: Record<string, Requests> = {
  skewed: (random, capacity) => () => skewed(random, 30 * capacity),
  loop: (_, capacity) => (i) => i % Math.floor(1.25 * capacity),
  'scans through skewed': (random, capacity) => (i) =>
    Math.floor(i / capacity) % 3 === 0 ? 1e6 + i : skewed(random, 20 * capacity),
  drifting: (random, capacity) => (i) => skewed(random, 20 * capacity) + Math.floor(i / 10),
  'twice and gone': (_, capacity) => (i) => {
    const gap = Math.floor(0.8 * capacity);
    return Math.floor(i / gap) % 2 === 0 ? i : i - gap;
  },
  'loop, then skewed, by turns': (random, capacity) => (i) =>
    Math.floor(i / (20 * capacity)) % 2 === 0 ? 1e6 + (i % (2 * capacity)) : skewed(random, 20 * capacity),
  'recency and loop, by turns': (random, capacity) => {
    const keys: number[] = [];
    return (i) => {
      const back = 1 + random.below(capacity);
      if (Math.floor(i / (3 * capacity)) % 2 === 0) keys.push(1e6 + (i % (2 * capacity)));
      else keys.push(random.below(10) < 7 && back <= i ? keys[i - back]! : 1e7 + i);
      return keys[i]!;
    };
  },
};

function replay(capacity: number, make: Requests): { ours: number; lru: number } {
  const next = make(new Random(seed), capacity);
  const policy = new GittinsPolicy({ maxEntries: capacity, maxWeight: Infinity, seed });
  const slots = new Map<number, number>();
  const keys: number[] = [];
  const recent = new Set<number>();
  const hits = { ours: 0, lru: 0 };
  for (let i = 0; i < REQUESTS; i++) {
    const key = next(i);
    if (recent.delete(key)) hits.lru++;
    else if (recent.size === capacity) recent.delete(recent.values().next().value!);
    recent.add(key);
    const known = slots.get(key);
    if (known !== undefined) {
      hits.ours++;
      policy.onHit(known);
      continue;
    }
    const slot = policy.admit(Math.imul(key ^ (key >>> 15), 0x2c1b3c6d), 1);
    for (const gone of policy.evicted) slots.delete(keys[gone]!);
    keys[slot] = key;
    slots.set(key, slot);
  }
  return { ours: (100 * hits.ours) / REQUESTS, lru: (100 * hits.lru) / REQUESTS };
}

describe(`hit ratio, in points (POLICY_SEED=${seed})`, () => {
  const families = Object.entries(FAMILIES);

  it.each([64, 300].flatMap((capacity) => families.map(([name, make]) => ({ name, make, capacity }))))(
    '$name, $capacity entries: never more than one under LRU',
    ({ make, capacity }) => {
      const { ours, lru } = replay(capacity, make);
      expect(ours).toBeGreaterThan(lru - 1);
    },
  );

  it.each([
    { name: 'skewed', capacity: 64, above: 4 },
    { name: 'scans through skewed', capacity: 300, above: 4 },
    // OPT has 80 less what is learned at first; LRU has nothing.
    { name: 'loop', capacity: 64, above: 72 },
    { name: 'loop', capacity: 300, above: 70 },
    { name: 'loop, then skewed, by turns', capacity: 64, above: 8 },
  ])('$name, $capacity entries: at least $above above LRU', ({ name, capacity, above }) => {
    const { ours, lru } = replay(capacity, FAMILIES[name]!);
    expect(ours).toBeGreaterThan(lru + above);
  });
});
