import { type DynamicModule, Module } from '@nestjs/common';
import { ConfigModule } from '@nestjs/config';
import { AccountModule } from './account/account.module.js';
import { TradingCacheModule } from './cache/trading-cache.module.js';
import { readTradingConfig, TRADING_CONFIG } from './config/trading.config.js';
import { DatabaseModule } from './database/database.module.js';
import { HealthModule } from './health/health.module.js';
import { HttpModule } from './http/http.module.js';
import { InstrumentModule } from './instrument/instrument.module.js';
import { PriceModule } from './price/price.module.js';

/** The trading backend. The environment is an argument, so that a test can run several nodes in one process. */
@Module({})
export class AppModule {
  /** @throws Error when the environment is not usable. */
  static forRoot(env: NodeJS.ProcessEnv): DynamicModule {
    const trading = readTradingConfig(env);
    return {
      module: AppModule,
      imports: [
        ConfigModule.forRoot({
          isGlobal: true,
          ignoreEnvFile: true,
          load: [() => ({ [TRADING_CONFIG]: trading })],
        }),
        HttpModule,
        ...(trading.STRATA_DEMO_CACHE ? [TradingCacheModule.forRoot(env)] : []),
        DatabaseModule,
        InstrumentModule,
        PriceModule,
        AccountModule,
        HealthModule.forRoot({ cached: trading.STRATA_DEMO_CACHE }),
      ],
    };
  }
}
