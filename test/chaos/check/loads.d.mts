/** Types of the counting of loads for its spec; see loads.mjs. */
import type { Examined, History } from './checker.mjs';

export interface EntryLoads {
  space: string;
  id: number;
  loads: number;
  invalidations: number;
}
export function countLoads(processes: Examined[], history: History): EntryLoads[];
export function loadsPerInvalidation(entries: readonly EntryLoads[]): number;
