export function median(values) {
  return quantile(values, 0.5);
}

/** By linear interpolation; NaN of nothing. */
export function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)];
  return low + (sorted[Math.ceil(at)] - low) * (at - Math.floor(at));
}

export function summary(values) {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/**
 * How many times a is b: the median over the rounds of the ratio within each round, so that what slowed a whole
 * round down (somebody else's work on the machine) cancels out.
 */
export function pairedRatio(a, b) {
  return median(a.map((value, round) => value / b[round]));
}
