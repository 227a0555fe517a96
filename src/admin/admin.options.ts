import type { CanActivate, InjectionToken, ModuleMetadata, Type } from '@nestjs/common';
import { InvalidOptionsError } from '#tiered-cache';
import type { CacheEnvVariable } from '../cache.env.js';

/** Known when the module is imported, because routes and guards are metadata of a class. */
export interface CacheAdminRouteOptions extends Pick<ModuleMetadata, 'imports'> {
  /** Name of the cache to administer. Default: the default cache. */
  cache?: string;
  /** Default 'admin/cache'. */
  path?: string;
  /** false: no endpoints, only CacheAdminService for the host's own controllers. Default true. */
  controllers?: boolean;
  /** The host's own guards; they alone decide then. Classes get their dependencies from `imports`. */
  guards?: readonly (Type<CanActivate> | CanActivate)[];
}

export interface CacheAdminOptions {
  /** Required as `Authorization: Bearer <token>`; several for a change of tokens. Default: CACHE_ADMIN_TOKEN. */
  token?: string | readonly string[];
  /** Anybody who reaches the endpoints may use them. Not in production. Default false. */
  open?: boolean;
  /** Nothing can be invalidated or warmed, dry runs excepted. Default: CACHE_ADMIN_READ_ONLY, or false. */
  readOnly?: boolean;
  /** Other origins whose pages may send requests (with `guards` or `open`), e.g. 'https://ops.example.com'. */
  allowedOrigins?: readonly string[];
  /** Refuse to boot without token or guards. Default: NODE_ENV is 'production'. */
  production?: boolean;
}

export interface CacheAdminModuleOptions extends CacheAdminRouteOptions, CacheAdminOptions {}

export interface CacheAdminOptionsFactory {
  createCacheAdminOptions(): CacheAdminOptions | Promise<CacheAdminOptions>;
}

export interface CacheAdminModuleAsyncOptions extends CacheAdminRouteOptions {
  inject?: InjectionToken[];
  // The parameters are whatever `inject` names; Nest itself types them so.
  // oxlint-disable-next-line typescript/no-explicit-any
  useFactory?: (...args: any[]) => CacheAdminOptions | Promise<CacheAdminOptions>;
  useClass?: Type<CacheAdminOptionsFactory>;
  useExisting?: InjectionToken<CacheAdminOptionsFactory>;
}

/** Every variable that the admin endpoints read, for `.env.example` and the documentation. */
export const ADMIN_ENV: readonly CacheEnvVariable[] = [
  {
    name: 'CACHE_ADMIN_TOKEN',
    unit: 'text',
    default: '',
    meaning:
      'bearer token of /admin/cache, 8 characters or more; without one: this machine only, and no boot in production',
  },
  {
    name: 'CACHE_ADMIN_READ_ONLY',
    unit: 'boolean',
    default: 'false',
    meaning: 'nothing can be invalidated or warmed by hand',
  },
];

/** Who may enter. */
export type AccessMode = 'token' | 'guard' | 'open' | 'loopback';

export interface ResolvedAdminOptions {
  mode: AccessMode;
  tokens: readonly string[];
  readOnly: boolean;
  allowedOrigins: readonly string[];
}

export const ADMIN_PATH = 'admin/cache';

/**
 * Options over environment over defaults; refuses what would leave the door open.
 * @throws InvalidOptionsError
 */
export function resolveAdminOptions(
  options: CacheAdminOptions = {},
  route: { guarded: boolean; exposed: boolean },
  env: NodeJS.ProcessEnv = process.env,
): ResolvedAdminOptions {
  const tokens = [options.token ?? env['CACHE_ADMIN_TOKEN'] ?? []].flat().filter((token) => token !== '');
  if (!tokens.every((token) => typeof token === 'string' && /^[\x21-\x7e]{8,}$/.test(token))) {
    // The value stays out of the message: it is a secret.
    throw new InvalidOptionsError(
      'admin.token',
      '(hidden)',
      'at least 8 visible ASCII characters without spaces',
    );
  }
  for (const name of ['open', 'readOnly', 'production'] as const) {
    const value = options[name];
    if (value !== undefined && typeof value !== 'boolean') {
      throw new InvalidOptionsError(`admin.${name}`, value, 'true or false');
    }
  }
  const allowedOrigins = (options.allowedOrigins ?? []).map((origin) => {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin) {
      throw new InvalidOptionsError(
        'admin.allowedOrigins',
        origin,
        "origins such as 'https://ops.example.com'",
      );
    }
    return origin;
  });
  const mode: AccessMode = route.guarded
    ? 'guard'
    : tokens.length > 0
      ? 'token'
      : options.open
        ? 'open'
        : 'loopback';
  const production = options.production ?? env['NODE_ENV'] === 'production';
  if (production && route.exposed && (mode === 'open' || mode === 'loopback')) {
    throw new InvalidOptionsError(
      'admin.token',
      undefined,
      'in production a token (option or CACHE_ADMIN_TOKEN) or "guards" is required; "controllers: false" leaves the endpoints out',
    );
  }
  const readOnly = options.readOnly ?? readOnlyFromEnv(env);
  return { mode, tokens, readOnly, allowedOrigins };
}

function readOnlyFromEnv(env: NodeJS.ProcessEnv): boolean {
  const text = env['CACHE_ADMIN_READ_ONLY']?.trim().toLowerCase() || 'false';
  if (!['true', 'false', '1', '0'].includes(text)) {
    throw new InvalidOptionsError('CACHE_ADMIN_READ_ONLY', text, 'true, false, 1 or 0');
  }
  return text === 'true' || text === '1';
}
