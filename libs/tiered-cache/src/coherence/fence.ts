import { randomBytes } from 'node:crypto';
import type { CacheCore } from '../cache-core.js';
import { type Duration, durationMs } from '../duration.js';
import { InvalidOptionsError } from '../errors.js';
import type { InvalidateOptions, InvalidationResult, InvalidationSelector } from '../options.js';
import type { EntryKey } from '../remote/remote-tier.js';
import type { Invalidator } from './invalidator.js';

export interface FenceOptions {
  /** How long it stands if nobody takes it away; must be longer than COMMIT may take. Default 10 s. */
  for?: Duration;
  /** Longest wait for the shared tier, which delays COMMIT. Default 50 ms. */
  within?: Duration;
}

/**
 * Before a COMMIT: while it stands nobody fills these keys, on any node (protocol, "Fence"). If it stands when COMMIT
 * returns, no read of the shared tier begun after that sees the older value, and every L1 lets go of it within the
 * staleness bound: also when the writer dies before it can invalidate. Tags have no fences.
 */
export class Fence {
  readonly id = randomBytes(9).toString('base64url');
  /** Monotonic ms: it stands at least until then. -Infinity while it is not answered. */
  private standsUntil = -Infinity;
  private over = false;
  /** Of the connection, when it was raised: who was lost sight of may have lost the fence. */
  private losses = 0;

  /** Made by TieredCache.fence(). */
  constructor(
    private readonly core: CacheCore,
    private readonly invalidator: Invalidator,
    readonly keys: readonly EntryKey[],
    private readonly send: (
      selector: InvalidationSelector,
      options: InvalidateOptions,
      fence: Fence,
    ) => Promise<InvalidationResult>,
  ) {}

  /** The shared tier has answered, its time has not passed, and nothing is known that may have ended it. */
  get standing(): boolean {
    const { clock, log } = this.core;
    return !this.over && log?.losses === this.losses && clock.monotonic() < this.standsUntil;
  }

  /**
   * @internal Resolves when answered, or after `within` at the latest; never rejects for the shared tier.
   * @throws InvalidOptionsError
   */
  async raise(options: FenceOptions): Promise<this> {
    const { core, keys } = this;
    const forMs = span('fence.for', options.for ?? '10s', 600_000);
    const withinMs = span('fence.within', options.within ?? 50, 60_000);
    if (core.remote === null || !core.remote.usable || keys.length === 0) return this;
    const sentAt = core.clock.monotonic();
    this.losses = core.log!.losses;
    let cancel!: () => void;
    const late = new Promise<void>((resolve) => {
      cancel = core.clock.setTimer(withinMs, resolve);
    });
    const raised = core.remote
      .run((tier) => tier.fence(keys, this.id, forMs))
      .then(
        (positions) => {
          core.ownRecords.add(positions);
          this.invalidator.applyHere({ keys, tags: [] });
          this.standsUntil = sentAt + forMs;
        },
        () => undefined, // Counted by the guard; it does not stand then.
      );
    await Promise.race([raised, late]);
    cancel();
    return this;
  }

  /** After COMMIT: invalidates the fenced keys, and what the selector names beyond them, and takes the fence away. */
  async invalidate(
    selector: InvalidationSelector = {},
    options: InvalidateOptions = {},
  ): Promise<InvalidationResult> {
    const result = await this.send(selector, options, this);
    this.over = true;
    return result;
  }

  /** After ROLLBACK: takes the fence away. Unanswered, it ends by itself. */
  async lift(): Promise<void> {
    this.over = true;
    const { core, keys } = this;
    if (core.remote === null || keys.length === 0) return;
    try {
      await core.remote.run((tier) => tier.unfence(keys, this.id));
    } catch {
      // Counted by the guard.
    }
  }
}

function span(option: string, value: Duration, max: number): number {
  const ms = durationMs(value);
  if (!(ms >= 1 && ms <= max)) throw new InvalidOptionsError(option, value, `a duration of 1 to ${max} ms`);
  return ms;
}
