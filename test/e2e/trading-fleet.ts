import { type Server } from 'node:http';
import { type INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import request from 'supertest';
import { AppModule } from '../../apps/trading/src/app.module.js';
import { readTradingConfig } from '../../apps/trading/src/config/trading.config.js';
import { createHttpAdapter } from '../../apps/trading/src/http/adapter.js';
import { freshDatabase, keyPrefix, redisUrl } from '../support/services.js';

export interface Fleet {
  nodes: INestApplication<Server>[];
  /** A client of one node, from 1 as the demo counts. */
  node(index: number): ReturnType<typeof request>;
  databaseUrl: string;
  env: NodeJS.ProcessEnv;
  close(): Promise<void>;
}

/** Several nodes of the demo in this process, over a database and a Redis prefix of their own. */
export async function startFleet(size: number, extra: NodeJS.ProcessEnv = {}): Promise<Fleet> {
  const database = await freshDatabase();
  const env: NodeJS.ProcessEnv = {
    DATABASE_URL: database.url,
    REDIS_URL: redisUrl(),
    CACHE_PREFIX: keyPrefix().replace(/:$/, ''),
    CACHE_WARMING_ENABLED: '0',
    // All nodes share this event loop: an answer that waits its turn here is not a Redis that hangs.
    CACHE_COMMAND_TIMEOUT_MS: '5000',
    ...extra,
  };
  const nodes: INestApplication<Server>[] = [];
  const close = async () => {
    await Promise.all(nodes.map((node) => node.close()));
    await database.drop();
  };
  try {
    for (let index = 1; index <= size; index++) {
      nodes.push(
        await startNode({ ...env, NODE_INDEX: String(index), STRATA_DEMO_SEED: index === 1 ? '1' : '0' }),
      );
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { nodes, node: (index) => clientOf(nodes[index - 1]), databaseUrl: database.url, env, close };
}

export async function startNode(env: NodeJS.ProcessEnv): Promise<INestApplication<Server>> {
  const module = await Test.createTestingModule({ imports: [AppModule.forRoot(env)] }).compile();
  const adapter = await createHttpAdapter(readTradingConfig(env).HTTP_ADAPTER);
  const app = module.createNestApplication<INestApplication<Server>>(adapter, { logger: ['error', 'fatal'] });
  // Listening once, instead of once per request, keeps connections and the timing of the measured requests honest.
  await app.listen(0, '127.0.0.1');
  return app;
}

export function clientOf(app: INestApplication<Server> | undefined): ReturnType<typeof request> {
  if (!app) throw new Error('There is no such node.');
  return request(app.getHttpServer());
}

/** Polls until `probe` answers true; false when it has not by `deadlineMs`. */
export async function within(deadlineMs: number, probe: () => Promise<boolean>): Promise<boolean> {
  const end = performance.now() + deadlineMs;
  while (performance.now() < end) {
    if (await probe()) return true;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return false;
}
