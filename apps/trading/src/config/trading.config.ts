import { type LogLevel } from '@nestjs/common';
import { plainToInstance, Transform } from 'class-transformer';
import {
  IsBoolean,
  IsIn,
  IsInt,
  IsNotEmpty,
  IsString,
  Matches,
  Max,
  Min,
  validateSync,
} from 'class-validator';

export const HTTP_ADAPTERS = ['fastify', 'express'] as const;
export type HttpAdapterName = (typeof HTTP_ADAPTERS)[number];

const LOG_LEVELS = ['fatal', 'error', 'warn', 'log', 'debug', 'verbose'] as const;

/** What the demo reads from its environment itself; the cache reads its own variables (docs/demo.md). */
export class TradingConfig {
  @Matches(/^postgres(ql)?:\/\//, { message: 'DATABASE_URL must be a postgres:// or postgresql:// URL' })
  @IsString({ message: 'DATABASE_URL is required' })
  DATABASE_URL!: string;

  /** 0: any free port. */
  @Transform(({ value }) => asInteger(value))
  @IsInt()
  @Min(0)
  @Max(65_535)
  PORT = 3000;

  @IsString()
  @IsNotEmpty()
  HOST = '127.0.0.1';

  /** Fastify answers more requests per second (docs/trading-performance.md); everything else is the same. */
  @IsIn(HTTP_ADAPTERS)
  HTTP_ADAPTER: HttpAdapterName = 'fastify';

  /** Which node of the fleet this is, from 1; for logs and the database's list of connections. */
  @Transform(({ value }) => asInteger(value))
  @IsInt()
  @Min(1)
  NODE_INDEX = 1;

  /** This node creates the schema and, when there are no instruments, seeds. */
  @Transform(({ value }) => asBoolean(value))
  @IsBoolean({ message: 'STRATA_DEMO_SEED must be 1 or 0' })
  STRATA_DEMO_SEED = false;

  /** Off: without the cache's modules, where decorated methods are as they were written; to compare with. */
  @Transform(({ value }) => asBoolean(value))
  @IsBoolean({ message: 'STRATA_DEMO_CACHE must be 1 or 0' })
  STRATA_DEMO_CACHE = true;

  /** The least that is logged. 'debug' has a line for every operation of the cache, and costs accordingly. */
  @IsIn(LOG_LEVELS)
  LOG_LEVEL: (typeof LOG_LEVELS)[number] = 'log';
}

/** The name under which `ConfigService` knows the validated configuration. */
export const TRADING_CONFIG = 'trading';

const KNOWN = [
  'DATABASE_URL',
  'PORT',
  'HOST',
  'HTTP_ADAPTER',
  'NODE_INDEX',
  'STRATA_DEMO_SEED',
  'STRATA_DEMO_CACHE',
  'LOG_LEVEL',
] as const satisfies (keyof TradingConfig)[];

/**
 * Reads and checks the environment. An empty variable counts as absent, as in a shell's `${VAR:-default}`.
 * @throws Error naming every wrong variable; never a value, as URLs carry passwords.
 */
export function readTradingConfig(env: Record<string, string | undefined>): TradingConfig {
  const given = Object.fromEntries(KNOWN.flatMap((name) => (env[name] ? [[name, env[name]]] : [])));
  const config = plainToInstance(TradingConfig, given);
  const wrong = validateSync(config).flatMap((error) => Object.values(error.constraints ?? {}).slice(0, 1));
  if (wrong.length > 0) throw new Error(`The environment is not usable: ${wrong.join('; ')}.`);
  return config;
}

function asBoolean(value: unknown): unknown {
  return value === '1' || value === 'true' ? true : value === '0' || value === 'false' ? false : value;
}

function asInteger(value: unknown): unknown {
  return typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
}

/** That level and what is more urgent, as Nest wants it. */
export function logLevels(least: TradingConfig['LOG_LEVEL']): LogLevel[] {
  return LOG_LEVELS.slice(0, LOG_LEVELS.indexOf(least) + 1);
}
