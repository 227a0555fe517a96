import { BUCKETS, bucketOf, LOWEST, lowestAge, WIDTHS } from './ages.js';

describe('buckets of ages', () => {
  it('follow each other without gap, from 0 to the largest age', () => {
    expect([bucketOf(0), lowestAge(0)]).toEqual([0, 0]);
    for (let bucket = 0; lowestAge(bucket + 1) < 2 ** 32; bucket++) {
      expect(bucketOf(lowestAge(bucket))).toBe(bucket);
      expect(bucketOf(lowestAge(bucket + 1) - 1)).toBe(bucket);
      expect(WIDTHS[bucket]).toBe(lowestAge(bucket + 1) - lowestAge(bucket));
      expect(LOWEST[bucket]).toBe(lowestAge(bucket));
    }
    expect(bucketOf(2 ** 32 - 1)).toBeLessThan(BUCKETS);
  });

  it('are no wider than a quarter of their age', () => {
    for (let bucket = 4; bucket < BUCKETS; bucket++) {
      expect(WIDTHS[bucket]! / LOWEST[bucket]!).toBeLessThanOrEqual(0.25);
    }
  });
});
