import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { CacheService } from 'nestjs-strata';
import { DataSource } from 'typeorm';
import { wasSeededHere } from '../database/prepare-database.js';

const WAIT_MS = 2_000;

/**
 * Before anything is warmed or served: the cache has met its shared tier, as what is loaded earlier cannot be kept;
 * and after seeding a new database, what a Redis that outlived the old one still holds under our prefix is dropped.
 * Without Redis the node serves all the same, two seconds later.
 */
@Injectable()
export class CacheBoot implements OnModuleInit {
  private readonly logger = new Logger('Database');

  constructor(
    private readonly cache: CacheService,
    private readonly dataSource: DataSource,
  ) {}

  async onModuleInit(): Promise<void> {
    const end = performance.now() + WAIT_MS;
    while (!this.cache.health().l1.serving && performance.now() < end) await sleep(10);
    if (!wasSeededHere(this.dataSource)) return;
    await this.cache.clear();
    this.logger.log('Schema created and seeded; cache cleared.');
  }
}
