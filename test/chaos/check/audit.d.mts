/** Types of the audit's checker for its spec; see audit.mjs. */
import type { Examined, History, Violations } from './checker.mjs';

export function checkAudits(
  audits: { node: number; found: { space: string; tier: string; rows: [number, number][] }[] }[],
  versions: Map<number, number>,
  history: History,
  processes: Examined[],
  violations: Violations,
): void;
