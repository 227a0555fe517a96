import type { BusCursor, BusPage, BusRecord, InvalidationSelector, SecondBus } from '#tiered-cache';
import type { Outbox } from './outbox.js';

/** The outboxes of all data sources of a cache as one second bus. A cursor is the list of theirs. */
export class DatabaseBus implements SecondBus {
  constructor(
    /** Throws when one of them is not open. */
    private readonly outboxes: () => readonly Outbox[],
  ) {}

  checkpoint(before: number): BusCursor | null {
    let cursors: (string | null)[];
    try {
      cursors = this.outboxes().map(({ bus }) => bus.checkpoint(before));
    } catch {
      return null;
    }
    return cursors.includes(null) ? null : JSON.stringify(cursors);
  }

  async poll(from: BusCursor | null): Promise<BusPage> {
    const outboxes = this.outboxes();
    const cursors = from === null ? [] : (JSON.parse(from) as string[]);
    const pages = await Promise.all(outboxes.map(({ bus }, i) => bus.poll(cursors[i] ?? null)));
    return {
      changes: pages.flatMap(({ change }) => change ?? []),
      cursor: JSON.stringify(pages.map(({ cursor }) => cursor)),
      // One was added or went.
      lost: pages.some(({ lost }) => lost) || (from !== null && cursors.length !== outboxes.length),
    };
  }

  async settled(at: BusCursor, epoch: string): Promise<boolean> {
    const cursors = JSON.parse(at) as string[];
    const outboxes = this.outboxes();
    if (cursors.length !== outboxes.length) return false;
    const settled = await Promise.all(outboxes.map(({ bus }, i) => bus.settled(cursors[i]!, epoch)));
    return settled.every(Boolean);
  }

  async record(selector: InvalidationSelector): Promise<BusRecord> {
    const [first] = this.outboxes();
    if (!first) throw new Error('no outbox is open');
    return { settle: await first.bus.record(selector) };
  }
}
