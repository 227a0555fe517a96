/** Types of build.mjs for the tests. */
export const ROOT: string;
export function isStale(root?: string): Promise<boolean>;
export function ensureBuilt(options?: {
  root?: string;
  log?: (line: string) => void;
  signal?: AbortSignal;
}): Promise<string>;
