import { Candidates, type Residents } from './candidates.js';
import { Duel } from './duel.js';
import type { EvictionPolicy, EvictionPolicyOptions } from './eviction-policy.js';
import { Ghosts } from './ghosts.js';
import { KeyClasses, MAX_USES } from './key-classes.js';
import { Random } from './random.js';
import { rank } from './ranking.js';
import { ReuseModel } from './reuse-model.js';
import { Slots } from './slots.js';

/** Hits remembered until the next miss, as many as entries but no more; of a longer row only the last count. */
const MAX_RING = 4_096;
/** Times the capacity: keys remembered after they left, ages told apart, requests after which an observation is half. */
const GHOSTS = 2;
const HORIZON = 16;
const HALF_LIFE = 20;
/** The same for tiny caches, absolute. */
const MIN_GHOSTS = 2_048;
const MIN_HORIZON = 4_000;
const MIN_HALF_LIFE = 4_000;
/** The model is refreshed so many requests after the first, and then ever more seldom, down to twice per capacity. */
const FIRST_REFRESH = 50;
const MIN_INTERVAL = 1_000;
/** Weights are kept in 32 bits. */
const MAX_WEIGHT = 2 ** 32 - 1;
/** Residents and ghosts looked at for what is still waiting to be used. */
const WAITING_SAMPLE = 1_024;

/**
 * Evicts what is worth least: learns from each key's history when it will be used again, and ranks entries by what
 * their place in the cache earns.
 *
 * - key-classes.ts: history in a byte. Time since the use before (LHD, NSDI 2018; Hawkeye's and LRB's features),
 *   how often used (TinyLFU, 2017), and for new keys whether they came in a scan.
 * - reuse-model.ts: time to the next use per class, learned online from hits and ghost hits (ghosts: ARC, 2003).
 * - gittins.ts: from there to a value per request of occupancy. Loops, scans, recency and frequency need no cases.
 * - candidates.ts: the lowest of a sample, so that there are no queues to maintain on hits.
 * - duel.ts: frequency's factor, and LRU as a safety net, by simulation in miniature (ATC 2017).
 *
 * Per hit: one write into a ring, read before the next admission. Per miss: O(1), some 30 evaluations of a table.
 * With a byte budget that binds, worth is per byte. Newcomers always come in, so that what was set can be read.
 */
export class GittinsPolicy implements EvictionPolicy, Residents {
  readonly evicted: number[] = [];
  readonly #slots: Slots;
  readonly #classes: KeyClasses;
  readonly #model: ReuseModel;
  #ghosts: Ghosts;
  readonly #duel: Duel;
  readonly #candidates: Candidates;
  readonly #random: Random;
  /** Written at every hit: no `#private` fields, which V8 never takes for constants. */
  private readonly ring: Int32Array;
  private readonly ringMask: number;
  hits = 0;
  private ringTail = 0;
  /** Counts requests, in 32 bits; ages are differences of it. Begins anywhere, so that its end is nothing special. */
  #now: number;
  #refreshIn = FIRST_REFRESH;
  #refreshEvery = FIRST_REFRESH;
  /** New keys in a row. */
  #run = 0;
  /** Ranks are per byte: it is bytes that are short. */
  #perByte = false;
  #isFull = false;

  constructor(private readonly options: EvictionPolicyOptions) {
    const { maxEntries, seed } = options;
    const horizon = Math.min(2 ** 28, Math.max(MIN_HORIZON, HORIZON * maxEntries));
    this.#classes = new KeyClasses(Math.min(24, 32 - Math.clz32(horizon)));
    this.#model = new ReuseModel(this.#classes, horizon);
    this.#slots = new Slots(maxEntries);
    this.#ghosts = newGhosts(this.#slots.room);
    this.#duel = new Duel(this.#model, seed, maxEntries);
    this.#random = new Random(seed);
    this.#now = seed | 0;
    this.ring = new Int32Array(Math.min(MAX_RING, 2 ** (32 - Math.clz32(maxEntries))));
    this.ringMask = this.ring.length - 1;
    this.#candidates = new Candidates(this);
  }

  get size(): number {
    return this.#slots.size;
  }

  get weight(): number {
    return this.#slots.weight;
  }

  onHit(slot: number): void {
    const { hits } = this;
    this.ring[hits & this.ringMask] = slot;
    this.hits = (hits + 1) & 0x3fffffff;
  }

  admit(hash: number, weight: number): number {
    this.#drain();
    this.evicted.length = 0;
    if (!(weight <= this.options.maxWeight && weight <= MAX_WEIGHT)) return -1;
    const now = this.#tick();
    let keyClass: number;
    let uses = 1;
    if (this.#ghosts.take(hash, now)) {
      const ghosts = this.#ghosts;
      this.#model.use(ghosts.keyClass, ghosts.age);
      this.#run >>>= 1;
      uses = Math.min(MAX_USES, this.#classes.usesOf(ghosts.keyClass) + 1);
      keyClass = this.#classes.returning(uses, ghosts.age);
    } else keyClass = this.#classes.newcomer(++this.#run);
    this.#duel.request(hash | 0, keyClass, uses, now);
    this.#makeRoom(1, weight, -1);
    const slot = this.#slots.take(hash | 0, weight, keyClass, uses, now);
    this.#candidates.arrived(slot);
    return slot;
  }

  reweigh(slot: number, weight: number): boolean {
    this.#drain();
    this.evicted.length = 0;
    if (!(weight <= this.options.maxWeight && weight <= MAX_WEIGHT)) return false;
    this.#slots.reweigh(slot, weight);
    this.#makeRoom(0, 0, slot);
    return true;
  }

  onRemove(slot: number): void {
    this.#drain();
    this.#leave(slot);
  }

  clear(): void {
    this.ringTail = this.hits;
    this.evicted.length = 0;
    this.#slots.clear();
    this.#ghosts.clear();
    this.#duel.clear();
    this.#candidates.clear();
    this.#isFull = false;
  }

  randomSlot(): number {
    return this.#slots.random(this.#random);
  }

  allSlots(): Int32Array {
    return this.#slots.all();
  }

  isResident(slot: number): boolean {
    return this.#slots.uses[slot] !== 0;
  }

  rankOf(slot: number): number {
    const slots = this.#slots;
    const value = rank(
      this.#duel.leader,
      this.#model,
      slots.keyClass[slot]!,
      slots.uses[slot]!,
      this.ageOf(slot),
    );
    // LRU's ranks are negative ages: weight has no say there.
    return this.#perByte && value > 0 ? value / slots.weights[slot]! : value;
  }

  ageOf(slot: number): number {
    return (this.#now - this.#slots.lastUse[slot]!) >>> 0;
  }

  #makeRoom(entries: number, weight: number, keep: number): void {
    const { maxEntries, maxWeight } = this.options;
    const slots = this.#slots;
    for (;;) {
      this.#perByte = slots.weight + weight > maxWeight;
      if (!this.#perByte && slots.size + entries <= maxEntries) return;
      this.#isFull = true;
      const worst = this.#candidates.worst(keep);
      this.#leave(worst);
      this.evicted.push(worst);
    }
  }

  #leave(slot: number): void {
    const slots = this.#slots;
    const ghosts = this.#ghosts;
    if (ghosts.put(slots.hash[slot]!, slots.keyClass[slot]!, slots.lastUse[slot]!, this.#now)) {
      this.#model.forget(ghosts.keyClass, ghosts.age);
    }
    slots.free(slot);
  }

  /** Takes note of the hits since the last time. */
  #drain(): void {
    const pending = (this.hits - this.ringTail) & 0x3fffffff;
    if (pending === 0) return;
    const ring = this.ring;
    const known = Math.min(pending, ring.length);
    this.#now = (this.#now + pending - known) | 0;
    for (let i = this.hits - known; i !== this.hits; i++) this.#touch(ring[i & (ring.length - 1)]!);
    this.ringTail = this.hits;
  }

  #touch(slot: number): void {
    const now = this.#tick();
    const slots = this.#slots;
    const age = (now - slots.lastUse[slot]!) >>> 0;
    this.#model.use(slots.keyClass[slot]!, age);
    this.#run >>>= 1;
    const uses = Math.min(MAX_USES, slots.uses[slot]! + 1);
    const keyClass = this.#classes.returning(uses, age);
    slots.uses[slot] = uses;
    slots.keyClass[slot] = keyClass;
    slots.lastUse[slot] = now;
    this.#duel.request(slots.hash[slot]!, keyClass, uses, now);
  }

  #tick(): number {
    this.#now = (this.#now + 1) | 0;
    if (--this.#refreshIn <= 0) this.#refresh();
    return this.#now;
  }

  #refresh(): void {
    // Bound by bytes, the cache holds fewer entries than it may: what counts is what it holds once it is full.
    const capacity = this.#isFull ? Math.max(1, this.#slots.size) : this.options.maxEntries;
    const { room } = this.#slots;
    // Until the slots have grown to their number there is little to remember; what there is goes.
    if (room !== this.#ghosts.capacity) this.#ghosts = newGhosts(room);
    this.#lookAtWaiting();
    const halfLife = Math.max(MIN_HALF_LIFE, HALF_LIFE * capacity);
    this.#model.refresh(0.5 ** (this.#refreshEvery / halfLife));
    this.#duel.scale(capacity);
    this.#refreshEvery = Math.ceil(Math.min(this.#refreshEvery * 1.5, Math.max(MIN_INTERVAL, capacity / 2)));
    this.#refreshIn = this.#refreshEvery;
  }

  #lookAtWaiting(): void {
    const slots = this.#slots;
    const residents = Math.min(slots.size, WAITING_SAMPLE);
    const all = residents === slots.size ? slots.all() : undefined;
    for (let i = 0; i < residents; i++) {
      const slot = all ? all[i]! : this.randomSlot();
      this.#model.wait(slots.keyClass[slot]!, this.ageOf(slot), slots.size / residents);
    }
    const ghosts = this.#ghosts;
    const cells = Math.min(ghosts.cells, WAITING_SAMPLE);
    for (let i = 0; i < cells; i++) {
      const cell = cells === ghosts.cells ? i : this.#random.below(ghosts.cells);
      if (ghosts.look(cell, this.#now)) this.#model.wait(ghosts.keyClass, ghosts.age, ghosts.cells / cells);
    }
  }
}

function newGhosts(capacity: number): Ghosts {
  return new Ghosts(Math.max(MIN_GHOSTS, GHOSTS * capacity), capacity);
}
