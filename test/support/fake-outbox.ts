import type {
  BusPage,
  BusRecord,
  InvalidationSelector,
  SecondBus,
  TieredCache,
} from '../../libs/tiered-cache/src/index.js';
import type { VirtualClock } from './virtual-clock.js';

interface Row {
  selector: InvalidationSelector;
  /** Data sets that have been told. */
  applied: Set<string>;
}

/** The outbox of a database as the second bus sees it: rows in the order of their commits, in virtual time. */
export class FakeOutbox {
  readonly rows: Row[] = [];
  /** No answer to anybody. */
  down = false;
  polls = 0;
  /** The next look misses some. */
  lost = false;
  private gate: Promise<void> | null = null;
  private readonly finished: { at: number; rows: number }[] = [];

  constructor(private readonly clock: VirtualClock) {}

  /** Somebody's trigger. */
  commit(selector: InvalidationSelector): Row {
    const row = { selector, applied: new Set<string>() };
    this.rows.push(row);
    return row;
  }

  /** Answers are given as of now, but held back; the function lets them go. */
  hold(): () => void {
    let release!: () => void;
    const gate = new Promise<void>((resolve) => (release = resolve));
    this.gate = gate;
    return () => {
      if (this.gate === gate) this.gate = null;
      release();
    };
  }

  /** As the relay of `cache` does it: tells the shared tier what it was not told, and remembers how far it has come. */
  async relay(cache: TieredCache): Promise<boolean> {
    const epoch = cache.epoch;
    if (epoch === null) return false;
    for (const row of this.rows) {
      if (row.applied.has(epoch)) continue;
      const { acknowledged } = await cache.invalidate(row.selector, { recorded: true });
      if (!acknowledged) return false;
      row.applied.add(epoch);
    }
    this.finished.push({ at: this.clock.monotonic(), rows: this.rows.length });
    return true;
  }

  bus(): SecondBus {
    const alive = (): void => {
      if (this.down) throw new Error('the database is away');
    };
    return {
      checkpoint: (before) => {
        const found = this.finished.findLast(({ at }) => at <= before);
        return found === undefined ? null : String(found.rows);
      },
      poll: async (from): Promise<BusPage> => {
        this.polls++;
        alive();
        const changes = from === null ? [] : this.rows.slice(Number(from)).map(({ selector }) => selector);
        const page = { changes, cursor: String(this.rows.length), lost: this.lost };
        this.lost = false;
        await this.gate;
        return page;
      },
      settled: async (at, epoch) => {
        alive();
        const settled = this.rows.slice(0, Number(at)).every(({ applied }) => applied.has(epoch));
        await this.gate;
        return settled;
      },
      record: async (selector): Promise<BusRecord> => {
        alive();
        const row = this.commit(selector);
        return {
          settle: (position) => {
            if (position !== null) row.applied.add(position.slice(0, position.lastIndexOf('@')));
          },
        };
      },
    };
  }
}
