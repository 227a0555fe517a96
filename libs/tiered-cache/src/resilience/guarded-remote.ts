import {
  BrokenCircuitError,
  CircuitState,
  ConsecutiveBreaker,
  type IBackoff,
  circuitBreaker,
  handleWhen,
} from 'cockatiel';
import type { Clock } from '../clock.js';
import { RemoteUnavailableError } from '../errors.js';
import type { Acquired, AcquireRequest, EntryKey, FillRequest, RemoteTier } from '../remote/remote-tier.js';
import { Coalesced } from './coalesced.js';

export type CircuitName = 'closed' | 'open' | 'half-open';

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 500;

/**
 * cockatiel times an open circuit by the wall clock, which may be set back by hours. So it never waits by itself, and
 * `probe` asks the monotonic clock.
 */
const NEVER_WAIT: IBackoff<unknown> = { duration: -Infinity, next: () => NEVER_WAIT };

/** Every error but one that the server gave to a single command: that one says that the server is there. */
function doubtsConnection(error: unknown): boolean {
  return !(error instanceof RemoteUnavailableError && error.answered);
}

/**
 * The circuit breaker around the shared tier. One failed or timed-out command opens it; while it is open commands
 * of callers are refused at once, so a hung Redis costs one command timeout and not one per request. Only the
 * background probe (the log's poll) is let through to close it again: no request ever pays for the test.
 */
export class GuardedRemote {
  private readonly breaker;
  /** Monotonic ms: an open circuit is not tested before. */
  private testAt = -Infinity;
  private pauseMs = FIRST_PAUSE_MS;
  /** GET, ACQUIRE and FILL on behalf of callers: those of one turn leave together. */
  readonly gets = new Coalesced<EntryKey, Buffer | null>(
    this,
    (tier, key) => tier.get(key),
    (tier, keys) => tier.getEach?.(keys) ?? tier.getMany(keys),
  );
  readonly acquires = new Coalesced<AcquireRequest, Acquired>(
    this,
    (tier, request) => tier.acquire(request),
    (tier, requests) => tier.acquireEach?.(requests) ?? tier.acquireMany(requests),
  );
  readonly fills = new Coalesced<FillRequest, boolean>(
    this,
    (tier, request) => tier.fill(request),
    (tier, requests) => tier.fillEach?.(requests) ?? tier.fillMany(requests),
  );

  constructor(
    readonly tier: RemoteTier,
    private readonly clock: Clock,
    private readonly onFailure: (error: unknown) => void,
    onCircuit: (state: CircuitName) => void,
  ) {
    this.breaker = circuitBreaker(handleWhen(doubtsConnection), {
      halfOpenAfter: NEVER_WAIT,
      breaker: new ConsecutiveBreaker(1),
    });
    this.breaker.onStateChange((state) => {
      if (state === CircuitState.Closed) this.pauseMs = FIRST_PAUSE_MS;
      if (state === CircuitState.Open) {
        this.testAt = clock.monotonic() + this.pauseMs;
        this.pauseMs = Math.min(LONGEST_PAUSE_MS, this.pauseMs * 2);
      }
      onCircuit(name(state));
    });
  }

  get circuit(): CircuitName {
    return name(this.breaker.state);
  }

  /** Connected, and it answered lately. */
  get usable(): boolean {
    return this.breaker.state === CircuitState.Closed && this.tier.state === 'ready';
  }

  /** A command on behalf of a caller. @throws RemoteUnavailableError */
  run<R>(command: (tier: RemoteTier) => Promise<R>): Promise<R> {
    if (this.breaker.state !== CircuitState.Closed)
      return Promise.reject(new RemoteUnavailableError('The circuit is open.'));
    if (this.tier.state !== 'ready') return this.probe(command);
    // A closed circuit learns from failures only, so a success need not pass through it.
    try {
      return command(this.tier).catch(this.refused);
    } catch (error) {
      return this.refused(error);
    }
  }

  /** What a command answered that was sent while the circuit was closed. @throws RemoteUnavailableError always */
  readonly refused = async (error: unknown): Promise<never> => {
    // Open already, or under test: this says nothing new.
    if (this.breaker.state === CircuitState.Closed)
      await this.breaker.execute(() => Promise.reject(error)).catch(() => undefined); // Thrown below.
    this.onFailure(error);
    throw unavailable(error);
  };

  /** The walk over keys, every step of it a command. @throws RemoteUnavailableError */
  async *scan(prefix: string): AsyncIterable<EntryKey[]> {
    let walk: AsyncIterator<EntryKey[]> | undefined;
    for (;;) {
      const step = await this.run((tier) => (walk ??= tier.scan(prefix)[Symbol.asyncIterator]()).next());
      if (step.done === true) return;
      yield step.value;
    }
  }

  /** A command of the background, which may test an open circuit. @throws RemoteUnavailableError */
  async probe<R>(command: (tier: RemoteTier) => Promise<R>): Promise<R> {
    // Not connected is known without asking, and no reason to doubt the connection that will come.
    if (this.tier.state !== 'ready') throw new RemoteUnavailableError('The shared tier is not connected.');
    if (this.breaker.state === CircuitState.Open && this.clock.monotonic() < this.testAt)
      throw new RemoteUnavailableError('The circuit is open.');
    try {
      return await this.breaker.execute(() => command(this.tier));
    } catch (error) {
      if (error instanceof BrokenCircuitError) throw new RemoteUnavailableError('The circuit is open.');
      this.onFailure(error);
      throw unavailable(error);
    }
  }
}

/** An adapter that fails otherwise is no better: the cache must never fail the caller. */
function unavailable(error: unknown): RemoteUnavailableError {
  if (error instanceof RemoteUnavailableError) return error;
  return new RemoteUnavailableError(error instanceof Error ? error.message : String(error), { cause: error });
}

function name(state: CircuitState): CircuitName {
  if (state === CircuitState.Closed) return 'closed';
  return state === CircuitState.HalfOpen ? 'half-open' : 'open';
}
