import { Injectable, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { TieredCache } from '#tiered-cache';
import { CacheLog } from './cache.log.js';
import { releaseMethods } from './decorators/bound.js';
import { engineOptions, resolveCacheOptions, type ResolvedCacheOptions } from './cache.options.js';

/**
 * The cache, as Nest injects it: the engine plus the application's life. Made by the module's factory once per
 * application; starts when modules initialise and closes, after the servers, when the application shuts down.
 */
@Injectable()
export class CacheService extends TieredCache implements OnModuleInit, OnApplicationShutdown {
  private readonly log: CacheLog;

  constructor(options: ResolvedCacheOptions = resolveCacheOptions({})) {
    super(engineOptions(options));
    this.log = new CacheLog(this, options);
  }

  /** @throws MissingPackageError: a codec's package is not installed, which should be known before the first request. */
  onModuleInit(): Promise<void> {
    this.log.start();
    this.start();
    return this.loadCodecs();
  }

  /** Decorated methods are as they were written from here on; then as the engine's `close`. */
  override async close(): Promise<void> {
    releaseMethods(this);
    await super.close();
  }

  /** Waits for fills in flight, closes connections, and logs the final statistics. */
  async onApplicationShutdown(): Promise<void> {
    await this.close();
    this.log.stop();
  }
}
