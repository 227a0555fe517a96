import { pickInfo } from '../redis-info.js';
import type { NodeLink } from './cluster-nodes.js';

/** The figures of INFO of all masters that answer: numbers added up, the rest as the first one says it. */
export async function summedInfo(
  links: readonly NodeLink[],
): Promise<Record<string, string | number> | undefined> {
  const answers = await Promise.all(
    links.map(({ connection }) =>
      connection
        .run((client) => client.info())
        .then(
          pickInfo,
          () => undefined, // away, or INFO is refused: the rest is still worth telling
        ),
    ),
  );
  let sum: Record<string, string | number> | undefined;
  for (const figures of answers) {
    if (figures === undefined) continue;
    sum ??= {};
    for (const [name, figure] of Object.entries(figures)) {
      const before = sum[name];
      sum[name] =
        typeof before === 'number' && typeof figure === 'number' ? before + figure : (before ?? figure);
    }
  }
  return sum;
}
