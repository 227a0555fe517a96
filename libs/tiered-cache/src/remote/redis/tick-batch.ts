interface Waiting<Q, A> {
  request: Q;
  resolve: (answer: A) => void;
  reject: (error: unknown) => void;
}

/**
 * Collects requests that are made in one turn of the event loop and hands them on together. The flush runs when the
 * turn's promise callbacks are through (process.nextTick), so a lone request is not held up by any I/O or timer.
 */
export class TickBatch<Q, A> {
  private waiting: Waiting<Q, A>[] = [];

  /**
   * `many` answers in order; an Error in its place rejects that one, a rejection all of them. `one` serves a request
   * that stayed alone.
   */
  constructor(
    private readonly one: (request: Q) => Promise<A>,
    private readonly many: (requests: Q[]) => Promise<(A | Error)[]>,
  ) {}

  add(request: Q): Promise<A> {
    return new Promise<A>((resolve, reject) => {
      if (this.waiting.push({ request, resolve, reject }) === 1) process.nextTick(this.flush);
    });
  }

  private readonly flush = (): void => {
    const batch = this.waiting;
    this.waiting = [];
    if (batch.length === 1) {
      const { request, resolve, reject } = batch[0]!;
      this.one(request).then(resolve, reject);
      return;
    }
    this.many(batch.map(({ request }) => request)).then(
      (answers) => {
        for (let i = 0; i < batch.length; i++) {
          const answer = answers[i];
          if (answer instanceof Error) batch[i]!.reject(answer);
          else batch[i]!.resolve(answer as A);
        }
      },
      (error: unknown) => {
        for (const { reject } of batch) reject(error);
      },
    );
  };
}
