/**
 * Synthetic request families: one habit of real traffic each, all from a seed. `make(name, seed, requests, scale)`
 * returns an Int32Array of keys; `scale` is about the cache size at which the family is interesting.
 */

/** xorshift32 in [0, 1). */
export function randomOf(seed) {
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Ranks 0..items-1 with probability ~ 1 / (rank + 1) ** skew. */
function zipf(random, items, skew) {
  const sums = new Float64Array(items);
  let sum = 0;
  for (let i = 0; i < items; i++) sums[i] = sum += 1 / (i + 1) ** skew;
  return () => {
    const at = random() * sum;
    let [low, high] = [0, items - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle] < at) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

/** Each maker returns a function: index of the request -> key (any integer; renumbered afterwards). */
const FAMILIES = {
  'zipf 0.8': (random, scale) => zipf(random, 20 * scale, 0.8),
  'zipf 1.1': (random, scale) => zipf(random, 20 * scale, 1.1),
  'uniform over twice the cache': (random, scale) => () => Math.floor(random() * 2 * scale),
  /** Yesterday's favourites sink while others rise. */
  'zipf that drifts': (random, scale) => {
    const rank = zipf(random, 20 * scale, 0.9);
    return (i) => rank() + Math.floor(i / 20);
  },
  /** The whole order of popularity changes at once. */
  'zipf that jumps': (random, scale) => {
    const rank = zipf(random, 10 * scale, 1);
    return (i) => rank() + Math.floor(i / (30 * scale)) * 10 * scale;
  },
  'loop slightly above the cache': (random, scale) => (i) => i % Math.ceil(scale * 1.1),
  'loop of three caches': (random, scale) => (i) => i % (scale * 3),
  /** Scans of keys never seen before run through a Zipf. */
  'zipf and scans': (random, scale) => {
    const rank = zipf(random, 10 * scale, 0.9);
    return (i) => (Math.floor(i / scale) % 4 === 3 ? 1e8 + i : rank());
  },
  'zipf and one-hit wonders': (random, scale) => {
    const rank = zipf(random, 10 * scale, 0.9);
    return (i) => (random() < 0.5 ? 1e8 + i : rank());
  },
  /** Reuse depends on recency alone: heavy-tailed time since the last use. */
  'recency, heavy tail': (random, scale) => {
    const keys = [];
    return (i) => {
      const back = Math.floor(random() ** -1.4);
      keys.push(random() < 0.85 && back <= i && back < 50 * scale ? keys[i - back] : i);
      return keys[i];
    };
  },
  'recency, up to the cache': (random, scale) => {
    const keys = [];
    return (i) => {
      const back = 1 + Math.floor(random() * scale * 0.9);
      keys.push(random() < 0.6 && back <= i ? keys[i - back] : i);
      return keys[i];
    };
  },
  /** Each key twice within a short time and never again. */
  'twice and gone': (random, scale) => {
    const gap = Math.ceil(scale * 0.4);
    return (i) => (Math.floor(i / gap) % 2 === 0 ? i : i - gap);
  },
  /** News: everything is hot when new and fades. */
  news: (random, scale) => (i) => Math.max(0, Math.floor(i / 10 - random() ** -1.2 * scale * 0.02)),
  'loop, then recency, then zipf': (random, scale) => {
    const rank = zipf(random, 10 * scale, 1);
    const keys = [];
    return (i) => {
      const phase = Math.floor(i / (25 * scale)) % 3;
      const back = Math.floor(random() ** -1.4);
      if (phase === 0) keys.push(1e6 + (i % (scale * 2)));
      else if (phase === 1) keys.push(random() < 0.8 && back <= i ? keys[i - back] : 1e8 + i);
      else keys.push(rank());
      return keys[i];
    };
  },
  'recency and loop, taking turns quickly': (random, scale) => {
    const keys = [];
    let at = 0;
    return (i) => {
      const back = 1 + Math.floor(random() * scale * 0.5);
      if (Math.floor(i / (3 * scale)) % 2 === 0) keys.push(1e6 + (at++ % (scale * 2)));
      else keys.push(random() < 0.7 && back <= i ? keys[i - back] : 1e8 + i);
      return keys[i];
    };
  },
  /** An index that always fits beside pages that never do. */
  'two pools': (random, scale) => (i) =>
    i % 2 === 0 ? Math.floor(random() * scale * 0.5) : 1e6 + Math.floor(random() * scale * 50),
  'three pools and a loop': (random, scale) => (i) => {
    const which = random();
    if (which < 0.3) return Math.floor(random() * scale * 0.2);
    if (which < 0.6) return 1e6 + Math.floor(random() * scale);
    if (which < 0.8) return 1e7 + Math.floor(random() * scale * 20);
    return 1e8 + (i % (scale * 2));
  },
  /** A table read with steps, again and again, beside single look-ups. */
  'strided scans that repeat': (random, scale) => {
    const rank = zipf(random, 5 * scale, 0.8);
    const rows = scale * 4;
    return (i) => {
      if (random() < 0.3) return 1e8 + rank();
      const stride = 1 + (Math.floor(i / rows) % 7);
      return (i * stride) % rows;
    };
  },
  /** Sessions: an entity is drawn, its relations are read several times, the session ends. */
  'sessions of an ORM': (random, scale) => {
    const entity = zipf(random, 4 * scale, 0.8);
    const sessions = Array.from({ length: 8 }, () => ({ left: 0, id: 0 }));
    return (i) => {
      const session = sessions[Math.floor(random() * sessions.length)];
      if (session.left-- <= 0) {
        session.left = 5 + Math.floor(random() * 40);
        session.id = entity() + Math.floor(i / (5 * scale));
      }
      const relation = Math.floor(random() * 8);
      return random() < 0.1 ? 1e9 + Math.floor(random() * 20) : session.id * 8 + relation;
    };
  },
  /** Bursts of few keys over a Zipf. */
  bursts: (random, scale) => {
    const rank = zipf(random, 20 * scale, 0.9);
    let [left, base] = [0, 0];
    return (i) => {
      if (left-- <= 0) {
        left = Math.floor(random() * scale);
        base = random() < 0.5 ? 1e8 + i : -1;
      }
      return base < 0 ? rank() : base + Math.floor(random() * scale * 0.1);
    };
  },
  /** Hot for long, then dead: punishes counters that never forget. */
  'favourites that die': (random, scale) => (i) => {
    const generation = Math.floor(i / (15 * scale));
    if (random() < 0.7) return generation * scale + Math.floor(random() * scale * 0.8);
    return 1e8 + Math.floor(random() * 30 * scale);
  },
};

export const FAMILY_NAMES = Object.keys(FAMILIES);

export function make(name, seed, requests, scale) {
  const next = FAMILIES[name](randomOf(seed), scale);
  const numbers = new Map();
  const keys = new Int32Array(requests);
  for (let i = 0; i < requests; i++) {
    const key = next(i);
    let number = numbers.get(key);
    if (number === undefined) numbers.set(key, (number = numbers.size));
    keys[i] = number;
  }
  return keys;
}
