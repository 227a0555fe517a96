/** A client for one errand, past the proxies. */
import { Redis } from 'ioredis';

export async function withClient(port, use) {
  const client = new Redis({ port, lazyConnect: true, maxRetriesPerRequest: 0, retryStrategy: null });
  client.on('error', () => undefined); // the command's rejection says it
  try {
    await client.connect();
    return await use(client);
  } finally {
    client.disconnect();
  }
}
