import type { LogPosition } from '../remote/remote-tier.js';

const REMEMBERED = 10_000;

/**
 * Positions of the records that this node wrote and has applied when they were answered: the log need not apply them
 * again, which would throw out what was loaded since. Bounded; a forgotten one is applied twice, which is harmless (I4).
 */
export class OwnRecords {
  private readonly positions = new Set<LogPosition>();

  add(positions: readonly LogPosition[]): void {
    if (this.positions.size + positions.length > REMEMBERED) this.positions.clear();
    for (const position of positions) this.positions.add(position);
  }

  has(position: LogPosition): boolean {
    return this.positions.has(position);
  }

  /** The log has brought it: true when it was ours. */
  take(position: LogPosition): boolean {
    return this.positions.delete(position);
  }

  clear(): void {
    this.positions.clear();
  }
}
