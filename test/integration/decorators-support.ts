import type { ModuleMetadata, Type } from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { CacheModule, CacheService, type CacheModuleOptions } from '../../src/index.js';

const running: TestingModule[] = [];

/** Call in afterEach. */
export async function closeAll(): Promise<void> {
  for (const app of running.splice(0)) await app.close();
}

/** A Nest application with one embedded cache, `instruments` declared and a default TTL. */
export async function boot(
  metadata: ModuleMetadata,
  options: CacheModuleOptions = {},
): Promise<TestingModule> {
  return bootBare({
    ...metadata,
    imports: [
      CacheModule.forRoot({
        isGlobal: true,
        namespaces: { instruments: { ttl: '1h' } },
        defaults: { ttl: '5m' },
        ...options,
      }),
      ...(metadata.imports ?? []),
    ],
  });
}

/** Without a cache of its own. */
export async function bootBare(metadata: ModuleMetadata): Promise<TestingModule> {
  const app = await Test.createTestingModule(metadata).setLogger(silent).compile();
  running.push(app);
  await app.init();
  return app;
}

export async function bootService<T>(type: Type<T>, options: CacheModuleOptions = {}): Promise<T> {
  return (await boot({ providers: [type] }, options)).get(type);
}

export function loadsOf(app: TestingModule): number {
  return app.get(CacheService, { strict: false }).stats().sourceLoads;
}

export const silent = { log() {}, warn() {}, error() {}, debug() {}, fatal() {}, verbose() {} };
