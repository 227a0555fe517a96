/** Builds histories for the checker's specs: what each process did, in milliseconds. */
import { type Examined } from './checker.mjs';
import { COLUMNS, KIND, SPACE } from '../records.mjs';

type Space = keyof typeof SPACE;

export class Story {
  /** What the database says was committed. */
  readonly committed = new Map<number, { id: number; v: number }>();
  private readonly rows: number[][][] = [];
  private readonly killed = new Set<number>();

  read(process: number, at: number, key: number, version: number, write: number, options: ReadOptions = {}) {
    const { space = 'items', ret = at + 1, demanded = -1 } = options;
    return this.row(process, [KIND.READ, key, at, ret, version, write, SPACE[space], demanded]);
  }

  load(process: number, at: number, id: number, space: Space = 'items') {
    return this.row(process, [KIND.LOAD, id, at, at + 1, 0, 0, SPACE[space], -1]);
  }

  /** COMMIT is sent at `at` and answered a millisecond later, then the invalidation at `at + 2`, unless left out. */
  write(process: number, at: number, key: number, version: number, write: number, fate: Fate = {}) {
    const { fenced = false, outcome = 'COMMITTED', acknowledged = true, committed = true } = fate;
    this.row(process, [KIND.WRITE, key, at, 0, version, write, 0, 0]);
    if (committed) this.committed.set(write, { id: key, v: version });
    if (outcome !== 'none')
      this.row(process, [KIND[outcome], key, at, at + 1, version, write, fenced ? 1 : 0, -1]);
    if (outcome !== 'COMMITTED' || fate.dies) return fate.dies ? this.kill(process) : this;
    this.row(process, [KIND.INVALIDATED, key, at + 1, at + 2, version, write, acknowledged ? 1 : 0, -1]);
    return this.row(process, [KIND.OWN, key, at + 1, at + 2, version, write, 0, -1]);
  }

  kill(process: number) {
    this.killed.add(process);
    return this;
  }

  get processes(): Examined[] {
    return this.rows.map((rows, node) => {
      const records = new Float64Array((rows ?? []).length * COLUMNS);
      (rows ?? []).forEach((row, i) => records.set(row, i * COLUMNS));
      return { node, incarnation: 0, killed: this.killed.has(node), records };
    });
  }

  private row(process: number, [kind, key, call, ret, ...rest]: number[]) {
    for (let i = this.rows.length; i <= process; i++) this.rows[i] = [];
    this.rows[process]!.push([kind!, key!, call! * 1e6, ret! * 1e6, ...rest]);
    return this;
  }
}

interface ReadOptions {
  space?: Space;
  ret?: number;
  demanded?: number;
}

interface Fate {
  fenced?: boolean;
  outcome?: 'COMMITTED' | 'ROLLED_BACK' | 'UNKNOWN' | 'none';
  acknowledged?: boolean;
  /** What the database says. */
  committed?: boolean;
  /** Killed right after COMMIT was answered. */
  dies?: boolean;
}
