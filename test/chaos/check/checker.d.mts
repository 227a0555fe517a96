/** Types of the checker for its spec, which is TypeScript; see checker.mjs. */
export interface Examined {
  node: number;
  incarnation: number;
  killed: boolean;
  records: Float64Array;
}
export interface Example {
  kind: string;
  why: string;
  space?: string;
  key?: number;
}
export class Violations {
  readonly counts: Record<string, number>;
  readonly kept: Example[];
  readonly total: number;
  add(kind: string, details: object): void;
}
export interface Checked {
  reads: number;
  writes: number;
  staleness: { quantile(p: number): number; readonly max: number; readonly staleReads: number };
  violations: Violations;
  history: History;
}
/** Opaque; for checkAudits and countLoads. */
export interface History {
  readonly byKey: Map<number, unknown[]>;
}
export function check(
  run: {
    processes: Examined[];
    committed: Map<number, { id: number; v: number }>;
    boundMs: number;
    fencesCount?: boolean;
  },
  violations?: Violations,
): Checked;
