import type { CacheCore, NamespaceCore } from '../cache-core.js';
import { LoaderTimeoutError } from '../errors.js';
import type { Loader } from '../options.js';
import { untracked } from '../tracking/tracked-context.js';
import type { TrackedLoad } from '../tracking/tracked-load.js';

export interface LoadRequest<T> {
  ns: NamespaceCore;
  id: string;
  loader: Loader<T>;
  stale: T | undefined;
  hardTimeoutMs: number | null;
  /**
   * Where what it reads is collected. Null: nowhere, since a tracked load that asks for this entry depends on the entry.
   * Absent: what it reads is read by whoever calls it.
   */
  tracked?: TrackedLoad | null;
}

export interface Loaded<T = unknown> {
  value: T;
  loadMs: number;
}

/**
 * Calls the loader once: counts it, times it, hands it an AbortSignal, and stops waiting at the hard timeout (what
 * the loader answers later is dropped). Errors of the loader pass through unchanged.
 * @throws LoaderTimeoutError
 */
export async function runLoader<T>(
  core: CacheCore,
  request: LoadRequest<T>,
): Promise<{ value: T; loadMs: number }> {
  const { ns, id, loader, stale, hardTimeoutMs, tracked } = request;
  const startedAt = core.clock.monotonic();
  const abort = new LateAbort();
  const call = (fn: () => Promise<T> | T): Promise<T> | T => {
    if (tracked === undefined) return fn();
    return tracked === null ? untracked(fn) : tracked.run(fn);
  };
  ns.counters.sourceLoads++;
  core.loads.add(abort);
  let cancelTimer: (() => void) | undefined;
  try {
    // `new Promise` rather than an await, so that a loader that throws synchronously is caught as well.
    const loaded = new Promise<T>((resolve) =>
      resolve(
        call(() =>
          loader({
            namespace: ns.settings.name,
            id,
            get signal() {
              return abort.signal;
            },
            stale,
          }),
        ),
      ),
    );
    const value =
      hardTimeoutMs === null
        ? await loaded
        : await new Promise<T>((resolve, reject) => {
            loaded.then(resolve, reject);
            cancelTimer = core.clock.setTimer(hardTimeoutMs, () => {
              const error = new LoaderTimeoutError(ns.settings.name, id, hardTimeoutMs);
              reject(error);
              abort.abort(error);
            });
          });
    return { value, loadMs: core.clock.monotonic() - startedAt };
  } catch (error) {
    ns.counters.sourceErrors++;
    throw error;
  } finally {
    cancelTimer?.();
    tracked?.leave();
    core.loads.delete(abort);
    core.recorder.sourceLatency.record(core.clock.monotonic() - startedAt);
  }
}

/** An AbortController costs microseconds, and few loaders look at their signal: it is made for those who do. */
class LateAbort {
  private controller: AbortController | undefined;
  private aborted: { reason: unknown } | undefined;

  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController();
      if (this.aborted !== undefined) this.controller.abort(this.aborted.reason);
    }
    return this.controller.signal;
  }

  abort(reason: unknown): void {
    this.aborted ??= { reason };
    this.controller?.abort(reason);
  }
}
