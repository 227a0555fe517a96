/**
 * Simulators of known policies, capacity in entries, keys small integers. Each returns a function: request -> hit?
 * Plain Maps: they are here to compare hit ratios, not speed.
 */

/** Least recently used. */
export function lru(capacity) {
  const cache = new Map();
  return (key) => {
    const hit = cache.delete(key);
    if (!hit && cache.size === capacity) cache.delete(cache.keys().next().value);
    cache.set(key, true);
    return hit;
  };
}

/** SIEVE (Zhang et al., NSDI 2024): a FIFO whose hand walks from old to new and spares what was used since. */
export function sieve(capacity) {
  const nodes = new Map();
  let newest = null;
  let oldest = null;
  let hand = null;
  return (key) => {
    const known = nodes.get(key);
    if (known) {
      known.visited = true;
      return true;
    }
    if (nodes.size === capacity) {
      let node = hand ?? oldest;
      while (node.visited) {
        node.visited = false;
        node = node.newer ?? oldest;
      }
      hand = node.newer;
      if (node.newer) node.newer.older = node.older;
      else newest = node.older;
      if (node.older) node.older.newer = node.newer;
      else oldest = node.newer;
      nodes.delete(node.key);
    }
    const node = { key, visited: false, older: newest, newer: null };
    if (newest) newest.newer = node;
    else oldest = node;
    newest = node;
    nodes.set(key, node);
    return false;
  };
}

/** S3-FIFO (Yang et al., SOSP 2023): small 10 %, main 90 %, ghosts of as many entries as main. */
export function s3fifo(capacity) {
  const smallMax = Math.max(1, Math.floor(capacity / 10));
  const mainMax = capacity - smallMax;
  const small = new Map();
  const main = new Map();
  const ghosts = new Map();
  const evictMain = () => {
    for (;;) {
      const [key, uses] = main.entries().next().value;
      main.delete(key);
      if (uses === 0) return;
      main.set(key, uses - 1);
    }
  };
  const evictSmall = () => {
    for (const [key, uses] of small) {
      small.delete(key);
      if (uses > 1) {
        if (main.size >= mainMax) evictMain();
        main.set(key, 0);
        continue;
      }
      ghosts.set(key, true);
      if (ghosts.size > mainMax) ghosts.delete(ghosts.keys().next().value);
      return;
    }
    evictMain();
  };
  return (key) => {
    for (const queue of [small, main]) {
      const uses = queue.get(key);
      if (uses === undefined) continue;
      queue.set(key, Math.min(3, uses + 1));
      return true;
    }
    if (small.size + main.size >= capacity) {
      if (small.size >= smallMax) evictSmall();
      else evictMain();
    }
    if (ghosts.delete(key)) {
      if (main.size >= mainMax) evictMain();
      main.set(key, 0);
    } else small.set(key, 0);
    return false;
  };
}

/** ARC (Megiddo and Modha, FAST 2003). */
export function arc(capacity) {
  const [t1, t2, b1, b2] = [new Map(), new Map(), new Map(), new Map()];
  let p = 0;
  const pop = (queue) => {
    const key = queue.keys().next().value;
    queue.delete(key);
    return key;
  };
  const replace = (inB2) => {
    if (t1.size > 0 && (t1.size > p || (inB2 && t1.size === Math.floor(p)))) b1.set(pop(t1), true);
    else b2.set(pop(t2), true);
  };
  return (key) => {
    if (t1.delete(key) || t2.delete(key)) {
      t2.set(key, true);
      return true;
    }
    if (b1.has(key)) {
      p = Math.min(capacity, p + Math.max(1, b2.size / b1.size));
      replace(false);
      b1.delete(key);
      t2.set(key, true);
      return false;
    }
    if (b2.has(key)) {
      p = Math.max(0, p - Math.max(1, b1.size / b2.size));
      replace(true);
      b2.delete(key);
      t2.set(key, true);
      return false;
    }
    if (t1.size + b1.size === capacity) {
      if (t1.size < capacity) {
        pop(b1);
        replace(false);
      } else pop(t1);
    } else {
      const total = t1.size + t2.size + b1.size + b2.size;
      if (total >= 2 * capacity) pop(b2);
      if (total >= capacity) replace(false);
    }
    t1.set(key, true);
    return false;
  };
}

/**
 * W-TinyLFU (Einziger, Friedman, Manes, ACM ToS 2017) with the hill climber of "Adaptive software cache management"
 * (Einziger et al., Middleware 2018): a window before a segmented LRU, admission by a 4-bit count-min sketch.
 */
export function wTinyLfu(capacity, seed = 1) {
  const sketch = countMin(capacity, seed);
  const [window, probation, protectedQueue] = [new Map(), new Map(), new Map()];
  let windowMax = Math.max(1, Math.floor(capacity / 100));
  let protectedMax = Math.floor((capacity - windowMax) * 0.8);
  const oldest = (queue) => queue.keys().next().value;
  let random = seed;

  const evict = () => {
    while (window.size > windowMax) {
      const candidate = oldest(window);
      window.delete(candidate);
      probation.set(candidate, true);
      if (window.size + probation.size + protectedQueue.size <= capacity) continue;
      let victim = oldest(probation);
      if (victim === candidate) victim = protectedQueue.size > 0 ? oldest(protectedQueue) : candidate;
      const [mine, theirs] = [sketch.count(candidate), sketch.count(victim)];
      random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
      const admit = mine > theirs || (mine >= 6 && mine <= theirs && random >>> 25 === 0);
      const loser = admit ? victim : candidate;
      if (!probation.delete(loser)) protectedQueue.delete(loser);
    }
  };

  // Hill climbing: keep the direction while the hit ratio of the last sample grew, turn when it fell.
  const sampleSize = 10 * capacity;
  let [requests, hits, before] = [0, 0, 0];
  let step = -0.0625 * capacity;
  const climb = () => {
    const ratio = hits / requests;
    const change = ratio - before;
    const move = change >= 0 ? step : -step;
    step = Math.abs(change) >= 0.05 ? 0.0625 * capacity * (move >= 0 ? 1 : -1) : 0.98 * move;
    before = ratio;
    requests = hits = 0;
    const next = Math.min(Math.floor(capacity * 0.8), Math.max(1, Math.round(windowMax + move)));
    const shift = next - windowMax;
    windowMax = next;
    protectedMax = Math.max(0, Math.min(capacity - windowMax, protectedMax - shift));
    while (protectedQueue.size > protectedMax) demote();
    // A window that grew takes its entries from probation, one that shrank gives them back.
    for (let i = 0; i < shift && probation.size > 0; i++) {
      const key = oldest(probation);
      probation.delete(key);
      window.set(key, true);
    }
    while (window.size > windowMax) {
      const key = oldest(window);
      window.delete(key);
      probation.set(key, true);
    }
  };
  const demote = () => {
    const key = oldest(protectedQueue);
    protectedQueue.delete(key);
    probation.set(key, true);
  };

  return (key) => {
    sketch.add(key);
    let hit = true;
    if (window.delete(key)) window.set(key, true);
    else if (protectedQueue.delete(key)) protectedQueue.set(key, true);
    else if (probation.delete(key)) {
      protectedQueue.set(key, true);
      if (protectedQueue.size > protectedMax) demote();
    } else {
      hit = false;
      window.set(key, true);
      if (window.size + probation.size + protectedQueue.size > capacity || window.size > windowMax) evict();
    }
    requests++;
    if (hit) hits++;
    if (requests >= sampleSize) climb();
    return hit;
  };
}

function countMin(capacity, seed) {
  const width = 2 ** Math.ceil(Math.log2(Math.max(8, capacity))) * 4;
  const rows = new Uint8Array(width * 4);
  let additions = 0;
  const at = (key, row) => {
    let h = Math.imul(key + 1, 0x9e3779b1) ^ Math.imul(row + seed, 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
    h = Math.imul(h ^ (h >>> 12), 0x297a2d39);
    return row * width + ((h ^ (h >>> 15)) & (width - 1));
  };
  const count = (key) => Math.min(rows[at(key, 0)], rows[at(key, 1)], rows[at(key, 2)], rows[at(key, 3)]);
  return {
    count,
    add(key) {
      let added = false;
      for (let row = 0; row < 4; row++) {
        const i = at(key, row);
        if (rows[i] < 15) {
          rows[i]++;
          added = true;
        }
      }
      if (!added || ++additions < 10 * capacity) return;
      for (let i = 0; i < rows.length; i++) rows[i] >>= 1;
      additions >>= 1;
    },
  };
}

/** Belady's optimum (1966): evicts what is used again last. Needs the whole trace. Returns the hits. */
export function opt(capacity, keys) {
  const next = new Float64Array(keys.length);
  const seen = new Map();
  for (let i = keys.length - 1; i >= 0; i--) {
    next[i] = seen.get(keys[i]) ?? keys.length + i;
    seen.set(keys[i], i);
  }
  // A binary heap of next uses, the furthest first; what was used meanwhile is stale and dropped when it surfaces.
  const heap = [];
  const cached = new Map();
  const use = new Map();
  let hits = 0;
  const push = (at) => {
    let i = heap.push(at) - 1;
    while (i > 0 && heap[(i - 1) >> 1] < at) {
      heap[i] = heap[(i - 1) >> 1];
      i = (i - 1) >> 1;
    }
    heap[i] = at;
  };
  const pop = () => {
    const top = heap[0];
    const last = heap.pop();
    if (heap.length === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1] > heap[child]) child++;
      if (heap[child] <= last) break;
      heap[i] = heap[child];
      i = child;
    }
    heap[i] = last;
    return top;
  };
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    const at = cached.get(key);
    if (at !== undefined) {
      hits++;
      use.delete(at);
    } else if (cached.size === capacity) {
      let far = pop();
      while (!use.has(far)) far = pop();
      cached.delete(use.get(far));
      use.delete(far);
    }
    cached.set(key, next[i]);
    use.set(next[i], key);
    push(next[i]);
  }
  return hits;
}
