/** One Redis. */
import { startRedis } from '../../../apps/services/index.mjs';
import { startProxy } from '../../support/tcp-proxy.mjs';
import { withClient } from './admin.mjs';

export async function standalone({ nodes, proxied = false, signal }) {
  const redis = await startRedis({ debug: true, signal });
  const proxies = proxied
    ? await Promise.all(Array.from({ length: nodes }, () => startProxy({ to: redis.port })))
    : [];
  return {
    name: 'standalone',
    proxies,
    tierOptions: (node) => ({ url: proxies[node]?.url ?? redis.url }),
    admin: (use) => withClient(redis.port, use),
    primary: async () => redis,
    async stop() {
      await Promise.all(proxies.map((proxy) => proxy.stop()));
      redis.kill('SIGCONT'); // a stopped server does not hear that it shall end
      await redis.stop();
    },
  };
}
