import type { StrataError } from '#tiered-cache';
import { setTimeout as sleep } from 'node:timers/promises';

/** The engine's lock over all nodes of a cache; without a shared tier it is this process's alone. */
export interface FleetLock {
  /**
   * Runs `fn` while nobody else holds `name`. The lease is renewed while `fn` runs and ends by itself `leaseMs` after
   * its holder has died. `ran: false`: held elsewhere.
   */
  exclusive<R>(
    name: string,
    options: { leaseMs: number },
    fn: () => Promise<R>,
  ): Promise<{ ran: boolean; result?: R }>;
}

/** Longest time a turn stays taken after its work, ms: more than the nodes' clocks differ. */
const HOLD_MS = 5_000;

/**
 * Runs `work` alone in the fleet. When the shared tier gives no answer nobody can know who else runs: the work is done
 * anyway, because that is when this node's own memory tier is needed most.
 */
export async function alone<R>(
  lock: FleetLock,
  name: string,
  leaseMs: number,
  work: () => Promise<R>,
): Promise<{ ran: boolean; result?: R }> {
  let started = false;
  const once = () => {
    started = true;
    return work();
  };
  try {
    return await lock.exclusive(name, { leaseMs }, once);
  } catch (error) {
    if (started || (error as StrataError).code !== 'STRATA_REMOTE_UNAVAILABLE') throw error;
    return { ran: true, result: await work() };
  }
}

/**
 * One node's turn at a scheduled moment. All nodes tick at the same second, and quick work would be done again by each
 * node whose clock is a little late: so the turn stays taken for a while after the work, at most half the interval.
 * Resolves when the work is done; `released` when the turn is free again.
 */
export async function inTurn<R>(
  lock: FleetLock,
  name: string,
  options: { leaseMs: number; intervalMs: number; signal: AbortSignal },
  work: () => Promise<R>,
): Promise<{ ran: boolean; result?: R; released: Promise<unknown> }> {
  return new Promise((resolve, reject) => {
    const released = alone(lock, name, options.leaseMs, async () => {
      const began = performance.now();
      const result = await work();
      resolve({ ran: true, result, released });
      const hold = Math.min(HOLD_MS, options.intervalMs / 2) - (performance.now() - began);
      if (hold > 0) {
        await sleep(hold, undefined, { signal: options.signal, ref: false }).catch(() => {
          // Aborted by the shutdown: the turn is given back at once.
        });
      }
      return result;
    });
    released.then((turn) => resolve({ ...turn, released: Promise.resolve() }), reject);
  });
}
