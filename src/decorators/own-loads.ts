import type { AnyMethod } from './method-definition.js';

/*
 * Who loads what right now, so that a method that asks for its own result does not wait for ever.
 *
 * Synchronous re-entry is seen on a stack of frames. Asynchronous re-entry (after an await) has to be told from
 * other callers, who may and must wait. AsyncLocalStorage could, but once it is used every promise of the process
 * pays for it (Node 20). Instead every load is awaited by an async function with a name of its own, and a call that
 * would join a load under way, and only such a call, looks for that name in V8's asynchronous stack trace. It
 * follows await, then-chains and Promise.all/allSettled/any/race; what it cannot follow is a bare callback (a timer,
 * an event), for which the engine's limit stands: nobody waits for a load longer than its lease
 * (docs/decisions/0004-reentrant-loads.md).
 */

interface Frame {
  /** Null: the frame of `renewing`. */
  readonly loads: OwnLoads | null;
  readonly key: string;
  readonly outer: Frame | null;
}

/** The innermost method that is in its synchronous part; null nearly always. Read on the way of every hit. */
export let innermost: Frame | null = null;
let sequence = 0;

/**
 * Calls `work` so that the `@Cacheable` methods it calls synchronously load anew and store with their full TTL:
 * `renewing(() => instruments.find('AAPL'))`. Not what those methods call themselves, and nothing after an await. Costs
 * hits nothing: they look at the stack of frames anyway.
 */
export function renewing<T>(work: () => T): T {
  const outer = innermost;
  innermost = { loads: null, key: '', outer };
  try {
    return work();
  } finally {
    innermost = outer;
  }
}

/** The loads of one namespace of one cache. */
export class OwnLoads {
  private readonly tokens = new Map<string, Set<string>>();

  /** Is the key being loaded, beyond its synchronous part? */
  pending(key: string): boolean {
    return this.tokens.size !== 0 && this.tokens.has(key);
  }

  /** Are we inside the synchronous part of a load of this key? */
  calling(key: string): boolean {
    for (let frame = innermost; frame !== null; frame = frame.outer)
      if (frame.loads === this && frame.key === key) return true;
    return false;
  }

  /** Does whoever calls now do so on behalf of a load of this key? Costs a stack trace (some microseconds). */
  calledByLoadOf(key: string): boolean {
    const tokens = this.tokens.get(key);
    if (tokens === undefined) return false;
    return asyncCallers().some((name) => name !== null && tokens.has(name));
  }

  /** Calls the method as the loader of `key`. */
  run(key: string, method: AnyMethod, self: object, args: readonly unknown[]): Promise<unknown> {
    const outer = innermost;
    let result: Promise<unknown>;
    innermost = { loads: this, key, outer };
    try {
      result = method.apply(self, args as unknown[]);
    } finally {
      innermost = outer;
    }
    return this.track(key, result);
  }

  private track(key: string, result: Promise<unknown>): Promise<unknown> {
    const token = `strata-load-${++sequence}`;
    const tokens = this.tokens.get(key) ?? new Set();
    tokens.add(token);
    this.tokens.set(key, tokens);
    // The computed name is what the stack trace shows.
    const named = {
      [token]: async (): Promise<unknown> => {
        try {
          return await result;
        } finally {
          tokens.delete(token);
          if (tokens.size === 0 && this.tokens.get(key) === tokens) this.tokens.delete(key);
        }
      },
    };
    return named[token]!();
  }
}

/** Names of the functions that wait for this call, nearest first. */
function asyncCallers(): (string | null)[] {
  const { stackTraceLimit } = Error;
  // Put back as it was, never called from here.
  // oxlint-disable-next-line typescript/unbound-method
  const { prepareStackTrace } = Error;
  let names: (string | null)[] = [];
  Error.stackTraceLimit = 1_000;
  Error.prepareStackTrace = (_error, sites) => {
    names = sites.map((site) => site.getFunctionName());
    return '';
  };
  try {
    const holder: { stack?: string } = {};
    Error.captureStackTrace(holder, asyncCallers);
    void holder.stack; // The stack is made when it is read.
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
    Error.prepareStackTrace = prepareStackTrace;
  }
  return names;
}
