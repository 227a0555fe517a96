import { EventEmitter } from 'node:events';

/** What can be listened to. Nothing is built for an event nobody listens to. */
export interface CacheEvents {
  /** Something was invalidated: by this process ('local'), or heard from the log ('log'). */
  invalidation: {
    keys: readonly string[];
    tags: readonly string[];
    pattern: string | undefined;
    origin: 'local' | 'log';
  };
  /** The shared tier did not answer an invalidation: kept, bypassed here, and sent again. */
  'invalidation-failed': {
    keys: readonly string[];
    tags: readonly string[];
    pattern?: string | undefined;
    error: unknown;
  };
  /** The shared tier's connection or the circuit changed. */
  remote: { state: string; circuit: string; reason: string | undefined };
  /** A loaded value was handed out but could not be stored: unserialisable, or too large. */
  'not-stored': { namespace: string; id: string; error: unknown };
  /** A background or graced load failed; the caller got a stale value, or nobody waited. */
  'refresh-failed': { namespace: string; id: string; error: unknown };
  read: { namespace: string; id: string; outcome: ReadOutcome; ms: number };
  /** L1 and all local knowledge were dropped: records were or may have been missed. */
  gap: { reason: string };
}

export type ReadOutcome = 'l1-hit' | 'l2-hit' | 'miss' | 'stale';
export type CacheEventName = keyof CacheEvents;
export type CacheListener<E extends CacheEventName> = (event: CacheEvents[E]) => void;

/** Typed events; a listener that throws, or whose promise rejects, is reported as a warning and disturbs nobody. */
export class CacheEventBus {
  private readonly emitter = new EventEmitter();
  /** Read on the hot path: does anybody listen to reads? */
  readsWatched = false;

  on<E extends CacheEventName>(event: E, listener: CacheListener<E>): void {
    this.emitter.on(event, listener);
    this.readsWatched = this.emitter.listenerCount('read') > 0;
  }

  off<E extends CacheEventName>(event: E, listener: CacheListener<E>): void {
    this.emitter.off(event, listener);
    this.readsWatched = this.emitter.listenerCount('read') > 0;
  }

  watched(event: CacheEventName): boolean {
    return this.emitter.listenerCount(event) > 0;
  }

  emit<E extends CacheEventName>(event: E, payload: CacheEvents[E]): void {
    for (const listener of this.emitter.listeners(event)) {
      try {
        const answer: unknown = (listener as (event: CacheEvents[E]) => unknown)(payload);
        if (answer instanceof Promise) answer.catch((error: unknown) => warn(event, error));
      } catch (error) {
        warn(event, error);
      }
    }
  }

  clear(): void {
    this.emitter.removeAllListeners();
    this.readsWatched = false;
  }
}

/** As text: an error of another realm (a test runner's, a vm's) is not accepted as a warning. */
function warn(event: CacheEventName, error: unknown): void {
  process.emitWarning(`A listener of "${event}" failed: ${String(error)}`, 'StrataListenerWarning');
}
