import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { createRedisTier } from '../../libs/tiered-cache/src/remote/redis/redis-tier.js';
import { describeWithRedis, redisUrl } from '../support/services.js';
import { describeRemoteTier } from './remote-tier.conformance.js';

describeWithRedis('redis', () => {
  describeRemoteTier('redis', () => {
    const url = redisUrl();
    const admin = new Redis(url);
    const run = `t.${process.pid}-${randomBytes(3).toString('hex')}`;
    let prefixes = 0;
    // As docs/protocol.md has it, and with the prefix's colons as slashes.
    const log = (prefix: string): string => `{${prefix.replaceAll(':', '/')}:#log:0}`;
    return {
      create: (prefix) => createRedisTier({ url, prefix, commandTimeout: '5s' }),
      prefix: () => `${run}:${++prefixes}`,
      pass: (ms) => sleep(ms),
      trimLog: async (prefix, keep) => void (await admin.xtrim(log(prefix), 'MAXLEN', keep)),
      flush: async (prefix) => void (await admin.del(log(prefix))),
      punchLog: async (prefix, back) => {
        const newest = await admin.xrevrange(log(prefix), '+', '-', 'COUNT', back + 1);
        await admin.xdel(log(prefix), newest[back]![0]);
      },
      close: async () => {
        let cursor = '0';
        do {
          const [next, keys] = await admin.scan(cursor, 'MATCH', `{${run}/*`, 'COUNT', 1_000);
          if (keys.length > 0) await admin.unlink(keys);
          cursor = next;
        } while (cursor !== '0');
        admin.disconnect();
      },
    };
  });
});
