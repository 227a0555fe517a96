import { Logger, Module } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { TypeOrmModule, type TypeOrmModuleOptions } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { TRADING_CONFIG, type TradingConfig } from '../config/trading.config.js';
import { migrations } from './migrations/index.js';
import { prepareDatabase } from './prepare-database.js';

const logger = new Logger('Database');

/** The connection pool, and the guarantee that whoever injects it on the seeding node finds tables with data. */
@Module({
  imports: [
    TypeOrmModule.forRootAsync({
      inject: [ConfigService],
      useFactory: (config: ConfigService): TypeOrmModuleOptions => {
        const trading = config.getOrThrow<TradingConfig>(TRADING_CONFIG);
        return {
          type: 'postgres',
          url: trading.DATABASE_URL,
          applicationName: `trading-${trading.NODE_INDEX}`,
          autoLoadEntities: true,
          migrations,
          migrationsRun: trading.STRATA_DEMO_SEED,
          installExtensions: false,
          poolSize: 10,
          connectTimeoutMS: 2_000,
          extra: { query_timeout: 5_000 },
          // A restarted database ends idle connections; the pool opens new ones, and a warning is all it takes.
          poolErrorHandler: (error: Error) => logger.warn(`An idle connection ended: ${error.message}`),
          retryAttempts: 10,
          retryDelay: 500,
        };
      },
      dataSourceFactory: async (options) => {
        if (!options) throw new Error('The data source has no options.');
        const dataSource = await new DataSource({ ...options, migrationsRun: false }).initialize();
        try {
          if (options.migrationsRun) await prepareDatabase(dataSource);
          return dataSource;
        } catch (error) {
          // Nest tries again with a new data source: without this every try would leave a pool behind.
          await dataSource.destroy();
          throw error;
        }
      },
    }),
  ],
})
export class DatabaseModule {}
