/** Cuts a list such that no part holds more than `most` items or, but for a single item, `mostBytes` bytes. */
export function* chunks<T>(
  items: readonly T[],
  most: number,
  bytesOf?: (item: T) => number,
  mostBytes = Infinity,
): Iterable<readonly T[]> {
  let from = 0;
  let bytes = 0;
  for (let i = 0; i < items.length; i++) {
    const size = bytesOf?.(items[i]!) ?? 0;
    if (i > from && (i - from >= most || bytes + size > mostBytes)) {
      yield items.slice(from, i);
      from = i;
      bytes = 0;
    }
    bytes += size;
  }
  if (from < items.length) yield items.slice(from);
}
