/** What `npm start` says about the services it uses: enough to look into them, and no secrets. */
import { maskUrl } from '../../services/index.mjs';

export function describeServices({ postgres, redis, unavailable }) {
  const lines = [];
  if (postgres) lines.push(`database  ${describeOne(postgres, 'PostgreSQL')}`);
  if (postgres?.pid) lines.push(`sql       psql ${postgres.url}  (or npm run sql -- "SELECT 1")`);
  if (redis) lines.push(`redis     ${describeOne(redis, 'Redis')}`);
  for (const { service, reason, fix } of unavailable) {
    if (service !== 'Redis') continue;
    lines.push(
      '*** WARNING: embedded mode without the shared tier: there is no Redis, each node caches alone.',
      `*** ${reason}.`,
      `*** To fix it: ${fix}`,
    );
  }
  return lines;
}

function describeOne({ url, source, version, pid }, name) {
  const origin = pid === undefined ? `from ${source}` : `${name} ${version} from ${source}, pid ${pid}`;
  return `${maskUrl(url)}  (${origin})`;
}
