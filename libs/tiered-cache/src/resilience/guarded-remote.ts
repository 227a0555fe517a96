import {
  BrokenCircuitError,
  CircuitState,
  ConsecutiveBreaker,
  ExponentialBackoff,
  circuitBreaker,
  handleAll,
} from 'cockatiel';
import { RemoteUnavailableError } from '../errors.js';
import type { RemoteTier } from '../remote/remote-tier.js';

export type CircuitName = 'closed' | 'open' | 'half-open';

/**
 * The circuit breaker around the shared tier. One failed or timed-out command opens it; while it is open commands
 * of callers are refused at once, so a hung Redis costs one command timeout and not one per request. Only the
 * background probe (the log's poll) is let through to close it again: no request ever pays for the test.
 */
export class GuardedRemote {
  private readonly breaker;

  constructor(
    readonly tier: RemoteTier,
    private readonly onFailure: (error: unknown) => void,
    onCircuit: (state: CircuitName) => void,
  ) {
    this.breaker = circuitBreaker(handleAll, {
      halfOpenAfter: new ExponentialBackoff({ initialDelay: 50, maxDelay: 500 }),
      breaker: new ConsecutiveBreaker(1),
    });
    this.breaker.onStateChange((state) => onCircuit(name(state)));
  }

  get circuit(): CircuitName {
    return name(this.breaker.state);
  }

  /** Connected, and it answered lately. */
  get usable(): boolean {
    return this.breaker.state === CircuitState.Closed && this.tier.state === 'ready';
  }

  /** A command on behalf of a caller. @throws RemoteUnavailableError */
  async run<R>(command: (tier: RemoteTier) => Promise<R>): Promise<R> {
    if (this.breaker.state !== CircuitState.Closed) throw new RemoteUnavailableError('The circuit is open.');
    return this.probe(command);
  }

  /** A command of the background, which may test an open circuit. @throws RemoteUnavailableError */
  async probe<R>(command: (tier: RemoteTier) => Promise<R>): Promise<R> {
    // Not connected is known without asking, and no reason to doubt the connection that will come.
    if (this.tier.state !== 'ready') throw new RemoteUnavailableError('The shared tier is not connected.');
    try {
      return await this.breaker.execute(() => command(this.tier));
    } catch (error) {
      if (error instanceof BrokenCircuitError) throw new RemoteUnavailableError('The circuit is open.');
      this.onFailure(error);
      if (error instanceof RemoteUnavailableError) throw error;
      // An adapter that fails otherwise is no better: the cache must never fail the caller.
      throw new RemoteUnavailableError(error instanceof Error ? error.message : String(error), {
        cause: error,
      });
    }
  }
}

function name(state: CircuitState): CircuitName {
  if (state === CircuitState.Closed) return 'closed';
  return state === CircuitState.HalfOpen ? 'half-open' : 'open';
}
