import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { CacheService } from 'nestjs-strata';
import { wasSeededHere } from './prepare-database.js';

/** After seeding a new database, drops what a Redis that outlived the old one still holds under our prefix. */
@Injectable()
export class FreshDatabase implements OnModuleInit {
  private readonly logger = new Logger('Database');

  constructor(
    private readonly dataSource: DataSource,
    private readonly cache: CacheService,
  ) {}

  async onModuleInit(): Promise<void> {
    if (!wasSeededHere(this.dataSource)) return;
    await this.cache.clear();
    this.logger.log('Schema created and seeded; cache cleared.');
  }
}
