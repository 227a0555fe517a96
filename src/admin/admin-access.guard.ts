import {
  ForbiddenException,
  Inject,
  Injectable,
  Logger,
  UnauthorizedException,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { createHash, timingSafeEqual } from 'node:crypto';
import { ADMIN_OPTIONS } from './admin.tokens.js';
import type { ResolvedAdminOptions } from './admin.options.js';
import { isCrossSite, isUnforwardedLoopback, type AdminRequest } from './request-origin.js';

/** Who asked, for the audit log; set by the guard. */
export interface AuditedRequest extends AdminRequest {
  strataActor?: string;
}

const HOW_TO_GET_ACCESS =
  'Set CACHE_ADMIN_TOKEN (or the option "token" of CacheAdminModule) and send "Authorization: Bearer <token>", or configure "guards".';

/** The door of the admin endpoints; closed unless something opens it. */
@Injectable()
export class AdminAccessGuard implements CanActivate {
  private readonly logger = new Logger('Strata');
  private readonly digests: Buffer[];

  constructor(@Inject(ADMIN_OPTIONS) private readonly options: ResolvedAdminOptions) {
    this.digests = options.tokens.map(digest);
  }

  /** @throws UnauthorizedException (401) or ForbiddenException (403), both saying how to get access */
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<AuditedRequest>();
    const from = request.socket?.remoteAddress ?? 'unknown address';
    if (this.options.mode === 'token') {
      request.strataActor = `token ${this.#tokenOf(request, from)} from ${from}`;
      return true;
    }
    if (this.options.mode === 'loopback' && !isUnforwardedLoopback(request)) {
      this.#deny(request, from);
      throw new ForbiddenException(
        `Without a token the cache's admin endpoints answer direct requests from this machine only (no proxy, a loopback host name). ${HOW_TO_GET_ACCESS}`,
      );
    }
    // A token cannot be sent by another site's page; cookies and network position are lent to it by the browser.
    if (isCrossSite(request, this.options.allowedOrigins)) {
      this.#deny(request, from);
      throw new ForbiddenException(
        'Requests from pages of another site are refused; list its origin in "allowedOrigins" of CacheAdminModule, or use a token.',
      );
    }
    request.strataActor = `${this.options.mode === 'guard' ? userOf(request) : this.options.mode} from ${from}`;
    return true;
  }

  /** Which of the tokens it is, from 1. */
  #tokenOf(request: AdminRequest, from: string): number {
    const header = request.headers['authorization'];
    const sent = /^Bearer +(\S+) *$/i.exec(typeof header === 'string' ? header : '')?.[1];
    let found = 0;
    if (sent !== undefined) {
      const given = digest(sent);
      // All are compared, in constant time each: the answer's time tells nothing about the tokens.
      this.digests.forEach((token, index) => {
        if (timingSafeEqual(token, given)) found = index + 1;
      });
    }
    if (found === 0) {
      this.#deny(request, from);
      throw new UnauthorizedException(
        sent === undefined
          ? 'Send "Authorization: Bearer <token>"; the token is CACHE_ADMIN_TOKEN or the option "token" of CacheAdminModule.'
          : 'The token is not valid; it is CACHE_ADMIN_TOKEN or the option "token" of CacheAdminModule.',
      );
    }
    return found;
  }

  #deny(request: AdminRequest, from: string): void {
    this.logger.warn(`admin: refused ${request.method} from ${from}`);
  }
}

function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** What the host's guard left on the request, in a form fit for a log line. */
function userOf({ user }: AdminRequest): string {
  const { id, sub, username, email } = (typeof user === 'object' && user !== null ? user : {}) as Record<
    string,
    unknown
  >;
  const name = [id, sub, username, email, user].find(
    (value) => typeof value === 'string' || typeof value === 'number',
  );
  return name === undefined ? 'guarded user' : `user ${JSON.stringify(String(name).slice(0, 100))}`;
}
