import type { InjectionToken, ModuleMetadata, Type } from '@nestjs/common';
import { InvalidOptionsError } from '#tiered-cache';
import type { CacheEnvVariable } from '../cache.env.js';
import type { WarmingStrategy } from './strategy.js';

export interface CacheWarmingOptions {
  /** Runs at start-up and on schedule; false leaves the manual trigger. Default: CACHE_WARMING_ENABLED, or true. */
  enabled?: boolean;
  /** Seconds between scheduled runs, 1 to 86,400. Default: CACHE_WARMING_INTERVAL, or 300. */
  intervalSeconds?: number;
  /** Loads at once in this process, over all strategies. Default: CACHE_WARMING_MAX_CONCURRENT, or 5. */
  maxConcurrent?: number;
  /** Least pause between the starts of two loads, ms. Default 0. */
  delayBetweenLoadsMs?: number;
  /** Run at start-up: always (default), never, or only when the cache is found cold. */
  onStartup?: boolean | 'if-cold';
  /** The application is ready only after the start-up runs. Default false. */
  awaitStartup?: boolean;
  /** IANA name for strategies with their own cron expression, e.g. 'Europe/Berlin'. Default: the machine's. */
  timeZone?: string;
  /** Life of the fleet lock without renewal, ms: how long a dead node blocks the others. Default 30,000. */
  leaseMs?: number;
  /** Strategies beside the discovered ones: instances, or classes (taken from the application or created). */
  strategies?: readonly (WarmingStrategy | Type<WarmingStrategy>)[];
}

/** `imports`: modules whose providers `strategies` need, or the CacheModule where it is not global. */
export interface CacheWarmingModuleOptions extends CacheWarmingOptions, Pick<ModuleMetadata, 'imports'> {
  /** Name of the cache to warm. Default: the default cache. */
  cache?: string;
}

export interface CacheWarmingOptionsFactory {
  createCacheWarmingOptions(): CacheWarmingOptions | Promise<CacheWarmingOptions>;
}

export interface CacheWarmingModuleAsyncOptions extends Pick<ModuleMetadata, 'imports'> {
  cache?: string;
  inject?: InjectionToken[];
  // The parameters are whatever `inject` names; Nest itself types them so.
  // oxlint-disable-next-line typescript/no-explicit-any
  useFactory?: (...args: any[]) => CacheWarmingOptions | Promise<CacheWarmingOptions>;
  useClass?: Type<CacheWarmingOptionsFactory>;
  useExisting?: InjectionToken<CacheWarmingOptionsFactory>;
}

export type ResolvedWarmingOptions = Required<Omit<CacheWarmingOptions, 'timeZone'>> & { timeZone?: string };

const DEFAULTS = {
  enabled: true,
  intervalSeconds: 300,
  maxConcurrent: 5,
  delayBetweenLoadsMs: 0,
  onStartup: true,
  awaitStartup: false,
  leaseMs: 30_000,
  strategies: [],
} as const;

/** Options over environment over defaults. @throws InvalidOptionsError */
export function resolveWarmingOptions(
  options: CacheWarmingOptions = {},
  env: NodeJS.ProcessEnv = process.env,
): ResolvedWarmingOptions {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const resolved: ResolvedWarmingOptions = { ...DEFAULTS, ...warmingOptionsFromEnv(env), ...given };
  whole('intervalSeconds', resolved.intervalSeconds, 1, 86_400);
  whole('maxConcurrent', resolved.maxConcurrent, 1, 1_000);
  whole('delayBetweenLoadsMs', resolved.delayBetweenLoadsMs, 0, 600_000);
  whole('leaseMs', resolved.leaseMs, 1_000, 3_600_000);
  flag('enabled', resolved.enabled);
  flag('awaitStartup', resolved.awaitStartup);
  if (resolved.onStartup !== 'if-cold') flag('onStartup', resolved.onStartup, "true, false or 'if-cold'");
  if (resolved.timeZone !== undefined && !isTimeZone(resolved.timeZone)) {
    throw new InvalidOptionsError(
      'warming.timeZone',
      resolved.timeZone,
      "an IANA name such as 'Europe/Berlin'",
    );
  }
  return resolved;
}

/** Every variable that warming reads, for `.env.example` and the documentation. */
export const WARMING_ENV: readonly CacheEnvVariable[] = [
  {
    name: 'CACHE_WARMING_ENABLED',
    unit: 'boolean',
    default: String(DEFAULTS.enabled),
    meaning: 'warm at start-up and on schedule; the manual trigger works without',
  },
  {
    name: 'CACHE_WARMING_INTERVAL',
    unit: 'seconds',
    default: String(DEFAULTS.intervalSeconds),
    meaning: 'time between scheduled warmings',
  },
  {
    name: 'CACHE_WARMING_MAX_CONCURRENT',
    unit: 'loads',
    default: String(DEFAULTS.maxConcurrent),
    meaning: 'loads of warming at once, per process',
  },
];

/** What the variables of WARMING_ENV say. @throws InvalidOptionsError */
export function warmingOptionsFromEnv(env: NodeJS.ProcessEnv = process.env): CacheWarmingOptions {
  const options: CacheWarmingOptions = {};
  const enabled = env['CACHE_WARMING_ENABLED']?.trim().toLowerCase();
  if (enabled) {
    if (!['true', 'false', '1', '0'].includes(enabled)) {
      throw new InvalidOptionsError('CACHE_WARMING_ENABLED', enabled, 'true, false, 1 or 0');
    }
    options.enabled = enabled === 'true' || enabled === '1';
  }
  const interval = number(env, 'CACHE_WARMING_INTERVAL', 1, 86_400);
  if (interval !== undefined) options.intervalSeconds = interval;
  const concurrent = number(env, 'CACHE_WARMING_MAX_CONCURRENT', 1, 1_000);
  if (concurrent !== undefined) options.maxConcurrent = concurrent;
  return options;
}

function number(env: NodeJS.ProcessEnv, name: string, min: number, max: number): number | undefined {
  const text = env[name]?.trim();
  if (!text) return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new InvalidOptionsError(name, text, `a whole number, ${min} to ${max}`);
  }
  return value;
}

function whole(option: string, value: unknown, min: number, max: number): void {
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
    throw new InvalidOptionsError(`warming.${option}`, value, `a whole number, ${min} to ${max}`);
  }
}

function flag(option: string, value: unknown, allowed = 'true or false'): void {
  if (typeof value !== 'boolean') throw new InvalidOptionsError(`warming.${option}`, value, allowed);
}

function isTimeZone(name: unknown): boolean {
  try {
    return typeof name === 'string' && Boolean(new Intl.DateTimeFormat('en', { timeZone: name }));
  } catch {
    // RangeError is how Intl says "no such zone".
    return false;
  }
}
