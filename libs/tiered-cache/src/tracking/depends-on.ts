import { InvalidOptionsError } from '../errors.js';
import { checkedTags } from '../loading/read-request.js';
import { currentLoad, untracked } from './tracked-context.js';

/**
 * For reads that cannot be tracked: `dependsOn(['entity:Order:?'], () => dataSource.query('SELECT ...'))`. The tracked
 * load that calls it depends on `tags`, and what `work` reads is not looked at. Anywhere else it just calls `work`.
 * @throws InvalidTagError, InvalidOptionsError
 */
export async function dependsOn<R>(tags: readonly string[], work: () => Promise<R> | R): Promise<R> {
  checkedTags(tags);
  if (typeof work !== 'function') throw new InvalidOptionsError('work', work, 'a function');
  const load = currentLoad();
  if (load === null) return work();
  // Nobody knows here whether `work` reads from an older snapshot.
  await load.reads(tags, { fresh: false });
  return untracked(work);
}
