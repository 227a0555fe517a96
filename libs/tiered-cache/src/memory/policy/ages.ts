/**
 * Ages, in requests, on a scale of four buckets per octave: fine enough to tell a loop of 1,000 from one of 1,200,
 * coarse enough that a few thousand requests fill it.
 */
export const BUCKETS = 124;

/** The bucket of an age in [0, 2 ** 32). */
export function bucketOf(age: number): number {
  if (age < 4) return age;
  const octave = 31 - Math.clz32(age);
  return octave * 4 + ((age >>> (octave - 2)) & 3) - 4;
}

/** The lowest age in a bucket. */
export function lowestAge(bucket: number): number {
  if (bucket < 4) return bucket;
  return (4 + (bucket % 4)) * 2 ** ((bucket >> 2) - 1);
}

/** Requests that a bucket spans, for each bucket. */
export const WIDTHS = Float64Array.from({ length: BUCKETS }, (_, b) => lowestAge(b + 1) - lowestAge(b));
export const LOWEST = Float64Array.from({ length: BUCKETS + 1 }, (_, b) => lowestAge(b));
export const INVERSE_WIDTHS = WIDTHS.map((width) => 1 / width);
