import { Client } from 'pg';
import { Redis } from 'ioredis';
import {
  databaseUrl,
  describeWithPostgres,
  describeWithRedis,
  freshDatabase,
  keyPrefix,
  redisUrl,
} from '../support/services.js';

async function inDatabase<T>(url: string, use: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

describeWithPostgres('the PostgreSQL of a test run', () => {
  it('is logged into without a secret by an owner who is no superuser', async () => {
    await inDatabase(databaseUrl(), async (client) => {
      await client.query('CREATE TABLE services_probe (id int); DROP TABLE services_probe');
      const { rows } = await client.query(`SELECT current_setting('is_superuser') AS superuser`);
      expect(rows).toEqual([{ superuser: 'off' }]);
      await expect(client.query(`COPY (SELECT 1) TO PROGRAM 'true'`)).rejects.toThrow(
        /permission denied|must be/,
      );
    });
  });

  it('gives each file a database of its own, gone after drop() even with a client in it', async () => {
    const [one, two] = await Promise.all([freshDatabase(), freshDatabase()]);
    expect(one.url).not.toBe(two.url);
    await inDatabase(one.url, (client) => client.query('CREATE TABLE mine (id int)'));
    await inDatabase(two.url, (client) => client.query('CREATE TABLE mine (id int)'));

    const lingering = new Client({ connectionString: one.url });
    lingering.on('error', () => {}); // the point: it is cut off
    await lingering.connect();
    await Promise.all([one.drop(), two.drop()]);
    await expect(inDatabase(one.url, async () => {})).rejects.toThrow(/does not exist/);
  });
});

describeWithRedis('the Redis of a test run', () => {
  it('answers, and prefixes keep files apart', async () => {
    const prefixes = [keyPrefix(), keyPrefix()];
    expect(new Set(prefixes).size).toBe(2);
    const redis = new Redis(redisUrl());
    await redis.set(`${prefixes[0]}k`, 'v', 'EX', 10);
    expect(await redis.get(`${prefixes[1]}k`)).toBeNull();
    await redis.quit();
  });
});
