import type { CacheCore } from './cache-core.js';
import { InvalidOptionsError } from './errors.js';
import { newToken, releaseLease } from './loading/ask-shared.js';

/** A week. */
const MAX_LOCK_MS = 604_800_000;

export interface ExclusiveOptions {
  /** Life of the lock in ms; renewed every third of it while `fn` runs, so a dead holder costs at most this. Default 30,000. */
  leaseMs?: number;
  /** Keep the lock at least so long after it was taken, ms: fast jobs do not run once per node. Default 0. */
  holdMs?: number;
  /** When the shared tier gives no answer: run all the same, or skip. Default 'run'. */
  onRemoteLoss?: 'run' | 'skip';
}

export type Exclusive<R> =
  { ran: true; result: R } | { ran: false; reason: 'held-elsewhere' | 'remote-away' };

/**
 * Runs `fn` unless another node (or this one) is running it under the same name. A lease, not a mutex: after a pause
 * longer than the lease two may run at once, so it is for work that is merely wasteful to do twice.
 * @throws InvalidOptionsError, and what `fn` throws
 */
export async function runExclusively<R>(
  core: CacheCore,
  held: Set<string>,
  name: string,
  options: ExclusiveOptions,
  fn: () => Promise<R>,
): Promise<Exclusive<R>> {
  const { leaseMs = 30_000, holdMs = 0, onRemoteLoss = 'run' } = options;
  if (typeof name !== 'string' || name === '')
    throw new InvalidOptionsError('exclusive.name', name, 'a string that is not empty');
  if (!(leaseMs >= 10 && leaseMs <= MAX_LOCK_MS))
    throw new InvalidOptionsError('exclusive.leaseMs', leaseMs, `10 to ${MAX_LOCK_MS}`);
  if (!(holdMs >= 0 && holdMs <= MAX_LOCK_MS))
    throw new InvalidOptionsError('exclusive.holdMs', holdMs, `0 to ${MAX_LOCK_MS}`);
  if (held.has(name)) return { ran: false, reason: 'held-elsewhere' };
  held.add(name);
  const key = `#lock:${name}`;
  const token = newToken();
  const startedAt = core.clock.monotonic();
  let locked = false;
  let cancelRenewal: () => void = () => undefined;
  try {
    if (core.remote !== null) {
      try {
        const { outcome } = await core.remote.run((tier) => tier.acquire({ key, token, leaseMs }));
        if (outcome !== 'granted') return { ran: false, reason: 'held-elsewhere' };
        locked = true;
      } catch {
        // Counted by the guard.
        if (onRemoteLoss === 'skip') return { ran: false, reason: 'remote-away' };
      }
      const renew = (): void => {
        cancelRenewal = core.clock.setTimer(leaseMs / 3, () => {
          renew();
          // A failed renewal is counted by the guard; the next one comes before the lease has ended.
          core.remote!.run((tier) => tier.acquire({ key, token, leaseMs })).catch(() => undefined);
        });
      };
      if (locked) renew();
    }
    return { ran: true, result: await fn() };
  } finally {
    cancelRenewal();
    held.delete(name);
    const remaining = Math.ceil(startedAt + holdMs - core.clock.monotonic());
    if (locked && remaining > 0)
      await core
        .remote!.run((tier) => tier.acquire({ key, token, leaseMs: remaining }))
        .catch(() => undefined); // Ends by itself then.
    else if (locked) await releaseLease(core, key, token);
  }
}
