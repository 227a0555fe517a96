/** After everything: what every tier of this node holds, and what it answers. */
import { SPACES } from '../records.mjs';
import { groupTag } from './cache.mjs';

const LATE = { tagsOf: (row) => [groupTag(row.grp)] };

/** @returns `{ space, tier: 'l1' | 'stored' | 'api', rows: [id, version][] }[]` */
export async function audit({ config, cache, loaders }) {
  const found = [];
  for (const { name } of SPACES) {
    const grouped = name.endsWith('groups');
    const ids = grouped
      ? Array.from({ length: config.groups }, (_, i) => String(i))
      : Array.from({ length: config.keys }, (_, i) => String(i + 1));
    const rowsOf = (value) => (value === undefined ? [] : [value].flat().map(({ id, v }) => [id, v]));
    const space = cache.namespace(name);
    const l1 = ids.flatMap((id) => rowsOf(space.peek(id)));
    const stored = [];
    for (const id of ids) stored.push(...rowsOf(await space.get(id)));
    const api = [];
    for (const id of ids) {
      const value = grouped
        ? await cache.getOrSet(name, id, () => loaders.group(name)(id), { tags: [groupTag(id)] })
        : await cache.getOrSet(name, id, () => loaders.one(name)(id), name === 'late' ? LATE : undefined);
      api.push(...rowsOf(value));
    }
    found.push({ space: name, tier: 'l1', rows: l1 }, { space: name, tier: 'stored', rows: stored });
    found.push({ space: name, tier: 'api', rows: api });
  }
  return found;
}
