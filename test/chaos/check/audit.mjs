/**
 * C4: after the faults, and the bound, every tier of every node equals the database. A change whose writer was killed
 * after COMMIT, unfenced and unanswered, is promised to nobody: below it only the newest promised version is required.
 */
import { SPACES } from '../records.mjs';

/**
 * @param {{node: number, found: {space: string, tier: string, rows: [number, number][]}[]}[]} audits
 * @param {Map<number, number>} versions id -> version in the database
 */
export function checkAudits(audits, versions, history, processes, violations) {
  const required = new Map(['key', 'tag'].map((by) => [by, promised(versions, history, processes, by)]));
  for (const { node, found } of audits) {
    for (const { space, tier, rows } of found) {
      const { by } = SPACES.find(({ name }) => name === space);
      for (const [key, version] of rows) {
        const least = required.get(by).get(key);
        if (version >= least && version <= versions.get(key)) continue;
        violations.add('C4', {
          why: `${tier} holds version ${version}, the database ${versions.get(key)} (promised: ${least})`,
          key,
          space,
          node,
          version,
          against: (history.byKey.get(key) ?? []).slice(version, version + 4).filter(Boolean),
        });
      }
    }
  }
}

function promised(versions, { byKey }, processes, by) {
  return new Map(
    [...versions].map(([key, version]) => {
      const list = byKey.get(key) ?? [];
      let least = version;
      while (least > 0 && isOrphan(list[least], processes, by)) least--;
      return [key, least];
    }),
  );
}

/** Was the writer killed before anybody was told, with no fence left standing? */
function isOrphan(write, processes, by) {
  if (!write) return true;
  if (write.acknowledged || !processes[write.process]?.killed) return false;
  return !(by === 'key' && write.fenced);
}
