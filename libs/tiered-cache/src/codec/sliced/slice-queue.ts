import { CacheClosedError } from '../../errors.js';

/** How long one turn of the event loop may be worked for, milliseconds, before everybody else has theirs. */
export const SLICE_MS = 2;
/** Units of work between two looks at the clock: some 20 us, ten times as much before the code is compiled. */
export const UNITS_PER_LOOK = 128;

/** Work that can stop anywhere and go on later. */
export interface SlicedJob<T> {
  /** Goes on until all is done (true) or `budget.spend` has said stop (false). Throws what ends it. */
  step(budget: Budget): boolean;
  readonly result: T;
}

/** What is left of a slice. A unit is one member of a container, or so much text or bytes as costs about the same. */
export class Budget {
  private left = UNITS_PER_LOOK;
  private endsAt = Infinity;

  constructor(private readonly now: () => number) {}

  /** For work that is not to be sliced. */
  static unlimited(): Budget {
    return new Budget(() => 0);
  }

  begin(endsAt: number): void {
    this.left = UNITS_PER_LOOK;
    this.endsAt = endsAt;
  }

  /** True when the slice is over: return, and go on when called again. */
  spend(units: number): boolean {
    if ((this.left -= units) > 0) return false;
    this.left = UNITS_PER_LOOK;
    return this.now() >= this.endsAt;
  }
}

interface Waiting {
  job: SlicedJob<unknown>;
  closed: () => boolean;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
}

/**
 * Big values are worked on in slices of 2 ms, one per turn of the event loop for the whole process: several in one turn
 * (each with a setImmediate of its own) would add up. The jobs take turns, so that a huge value does not keep a merely
 * big one waiting.
 */
export class SliceQueue {
  private readonly waiting: Waiting[] = [];
  private readonly budget: Budget;
  private scheduled = false;

  /** `now`: monotonic milliseconds; `later`: after everybody else's turn. */
  constructor(
    private readonly now: () => number = () => performance.now(),
    private readonly later: (fn: () => void) => void = (fn) => void setImmediate(fn),
  ) {
    this.budget = new Budget(now);
  }

  /** @throws what the job throws; CacheClosedError once `closed` answers true */
  run<T>(job: SlicedJob<T>, closed: () => boolean = never): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.waiting.push({ job, closed, resolve: resolve as Waiting['resolve'], reject });
      this.schedule();
    });
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.later(this.turn);
  }

  private readonly turn = (): void => {
    this.scheduled = false;
    const endsAt = this.now() + SLICE_MS;
    do {
      const next = this.waiting.shift();
      if (next === undefined) return;
      this.budget.begin(endsAt);
      if (!this.goOn(next)) this.waiting.push(next);
    } while (this.now() < endsAt);
    if (this.waiting.length > 0) this.schedule();
  };

  /** True when there is nothing more to do for it. */
  private goOn({ job, closed, resolve, reject }: Waiting): boolean {
    try {
      if (closed()) throw new CacheClosedError();
      if (!job.step(this.budget)) return false;
      resolve(job.result);
    } catch (error) {
      reject(error);
    }
    return true;
  }
}

function never(): boolean {
  return false;
}

/** The one of this process. */
export const sliceQueue = new SliceQueue();
