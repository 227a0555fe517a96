import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster } from 'ioredis';
import { type ClusterHandle, startCluster } from '../../apps/services/index.mjs';
import { createRedisTier } from '../../libs/tiered-cache/src/remote/redis/redis-tier.js';
import { describeWithRedis } from '../support/services.js';
import { describeRemoteTier, type RemoteTierHarness } from './remote-tier.conformance.js';

describeWithRedis('redis cluster', () => {
  let cluster: ClusterHandle;
  beforeAll(async () => {
    cluster = await startCluster({ masters: 3, replicasPerMaster: 1 });
  }, 60_000);
  afterAll(() => cluster?.stop());

  function harness(logShards: number): RemoteTierHarness {
    const nodes = cluster.nodes.map(({ host, port }) => ({ host, port }));
    const admin = new Cluster(nodes);
    const run = `t.${process.pid}-${randomBytes(3).toString('hex')}`;
    let prefixes = 0;
    // As docs/redis.md has it, and with the prefix's colons as slashes.
    const logs = (prefix: string): string[] =>
      Array.from({ length: logShards }, (_, i) => `{${prefix.replaceAll(':', '/')}:#log:${i}}`);
    /** The newest records of all shards, newest first. */
    const newest = async (prefix: string, count: number): Promise<{ log: string; id: string }[]> => {
      const found = await Promise.all(
        logs(prefix).map(async (log) =>
          (await admin.xrevrange(log, '+', '-', 'COUNT', count)).map(([id]) => ({ log, id })),
        ),
      );
      const time = (id: string): number => Number(id.split('-')[0]);
      return found.flat().sort((a, b) => time(b.id) - time(a.id));
    };
    return {
      create: (prefix) =>
        createRedisTier({
          cluster: { nodes: nodes.slice(0, 2), logShards },
          prefix,
          commandTimeout: '5s',
        }),
      prefix: () => `${run}:${++prefixes}`,
      pass: (ms) => sleep(ms),
      unordered: true,
      trimLog: async (prefix, keep) => {
        const { log, id } = (await newest(prefix, keep))[keep - 1]!;
        await admin.xtrim(log, 'MINID', id);
      },
      flush: async (prefix) => {
        for (const log of logs(prefix)) await admin.del(log);
      },
      // Where there are several shards, the last but one may be the last of its own.
      ...(logShards === 1 && {
        punchLog: async (prefix: string, back: number) => {
          const { log, id } = (await newest(prefix, back + 1))[back]!;
          await admin.xdel(log, id);
        },
      }),
      close: async () => admin.disconnect(),
    };
  }

  describeRemoteTier('four shards', () => harness(4));
  describeRemoteTier('one shard', () => harness(1));
});
