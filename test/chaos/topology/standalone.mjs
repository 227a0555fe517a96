/** One Redis. */
import { startRedis } from '../../../apps/services/index.mjs';
import { startProxy } from '../proxy.mjs';
import { withClient } from './admin.mjs';

export async function standalone({ nodes, proxied = false, args = [], signal }) {
  const redis = await startRedis({ debug: true, args, signal });
  const proxies = proxied ? await Promise.all(Array.from({ length: nodes }, () => startProxy(redis.port))) : [];
  return {
    name: 'standalone',
    proxies,
    tierOptions: (node) => ({ url: proxies[node] ? `redis://127.0.0.1:${proxies[node].port}` : redis.url }),
    admin: (use) => withClient({ host: '127.0.0.1', port: redis.port }, use),
    primary: () => redis,
    async stop() {
      await Promise.all(proxies.map((proxy) => proxy.close()));
      redis.kill('SIGCONT'); // a stopped server does not hear that it shall end
      await redis.stop();
    },
  };
}
