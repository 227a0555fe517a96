import type { RemoteTier } from '../remote/remote-tier.js';

/** Who asked, and is told in the callback that brings the answer: a promise less per command. Must not throw. */
export interface Asker<A> {
  answered(answer: A): void;
  failed(error: unknown): void;
}

/** The circuit breaker's way to the tier (GuardedRemote). */
export interface Sender {
  run<R>(command: (tier: RemoteTier) => Promise<R>): Promise<R>;
  /** One answer among others was a failure. */
  refused(error: unknown): Promise<never>;
}

/**
 * Requests per command. Several commands of one turn go out one behind the other, so that the answers to the first are worked
 * on while the server sees to the next.
 */
const MOST = 256;

/**
 * Requests of one kind that meet in one turn of the event loop leave together; one that stays alone leaves alone, as a plain
 * command. They are sent when the turn's promise callbacks are through (process.nextTick): nothing waits for I/O or a
 * timer, and those who were answered together and ask again stay together.
 */
export class Coalesced<Q, A> {
  private requests: Q[] = [];
  private askers: Asker<A>[] = [];

  /** `many` answers in order; an Error in its place rejects that one, a rejection all of them. */
  constructor(
    private readonly sender: Sender,
    private readonly one: (tier: RemoteTier, request: Q) => Promise<A>,
    private readonly many: (tier: RemoteTier, requests: readonly Q[]) => Promise<readonly (A | Error)[]>,
  ) {}

  /** `asker` may be told in the async context of another one's request. */
  add(request: Q, asker: Asker<A>): void {
    this.askers.push(asker);
    if (this.requests.push(request) === 1) process.nextTick(this.flush);
  }

  /** @throws RemoteUnavailableError */
  send(request: Q): Promise<A> {
    return new Promise((resolve, reject) => this.add(request, { answered: resolve, failed: reject }));
  }

  private readonly flush = (): void => {
    const { requests, askers } = this;
    this.requests = [];
    this.askers = [];
    if (requests.length === 1) {
      const asker = askers[0]!;
      this.sender
        .run((tier) => this.one(tier, requests[0]!))
        .then(
          (answer) => asker.answered(answer),
          (error: unknown) => asker.failed(error),
        );
    } else if (requests.length <= MOST) this.sendAll(requests, askers);
    else
      for (let at = 0; at < requests.length; at += MOST)
        this.sendAll(requests.slice(at, at + MOST), askers.slice(at, at + MOST));
  };

  private sendAll(requests: readonly Q[], askers: readonly Asker<A>[]): void {
    this.sender
      .run((tier) => this.many(tier, requests))
      .then(
        (answers) => {
          for (let i = 0; i < askers.length; i++) {
            const asker = askers[i]!;
            const answer = answers[i]!;
            if (answer instanceof Error)
              this.sender.refused(answer).catch((refusal: unknown) => asker.failed(refusal));
            else asker.answered(answer);
          }
        },
        (error: unknown) => {
          for (const asker of askers) asker.failed(error);
        },
      );
  }
}
