import { BadRequestException, ForbiddenException, Logger, NotFoundException } from '@nestjs/common';
import type {
  CacheHealth,
  CacheStats,
  InvalidationReport,
  InvalidationSelector,
  NamespaceStats,
  RemoteDescription,
} from '#tiered-cache';
import type { CacheService } from '../cache.service.js';
import { stateOf, stateReasons } from '../cache.state.js';
import type {
  WarmingJob,
  WarmingMetrics,
  WarmingPort,
  WarmingReport,
  WarmingRequest,
  WriteCounts,
  WritesPort,
} from '../features.js';

/** Longest wait for the shared tier's description, ms: a health page must answer while Redis is away. */
const DESCRIBE_MS = 1_000;
/** Names of one kind in a line of the audit log. */
const NAMED = 5;

export interface AdminHealth extends CacheHealth {
  name: string;
  prefix: string;
  readOnly: boolean;
  /** Why the state is not 'up', most urgent first. */
  reasons: string[];
  /** What became of committed database writes (CacheTypeOrmModule); null without it. */
  databaseWrites: WriteCounts | null;
  /** Connections and server figures; null in embedded mode or without an answer. */
  sharedTier: RemoteDescription | null;
}

export interface AdminNamespace extends Partial<NamespaceStats> {
  name: string;
}

export interface WarmingSummary {
  success: boolean;
  /** Items warmed, over all reports. */
  count: number;
  reports: WarmingReport[];
}

/**
 * What the admin endpoints do, for a host's own controllers too: those are guarded by the host. Everything that changes
 * something is written to the log with `actor`.
 */
export class CacheAdminService {
  private readonly logger = new Logger('Strata');

  constructor(
    private readonly cache: CacheService,
    private readonly options: { readOnly: boolean },
    /** Looked up at each call: warming is optional, and its module may be imported after this one. */
    private readonly findWarming: () => WarmingPort | null,
    private readonly findWrites: () => WritesPort | null = () => null,
  ) {}

  async health(): Promise<AdminHealth> {
    const { name, prefix } = this.cache;
    const sharedTier = await this.#describe();
    const health = this.cache.health();
    return {
      ...health,
      state: stateOf(health),
      reasons: stateReasons(health),
      name,
      prefix,
      readOnly: this.options.readOnly,
      databaseWrites: this.findWrites()?.stats() ?? null,
      sharedTier,
    };
  }

  metrics(): CacheStats {
    return this.cache.stats();
  }

  namespaces(): AdminNamespace[] {
    const figures = this.cache.stats().namespaces;
    return this.cache.namespaces.map((name) => ({ name, ...figures[name] }));
  }

  warmingJobs(): { enabled: boolean; jobs: WarmingJob[] } {
    const warming = this.findWarming();
    return { enabled: warming !== null, jobs: warming?.jobs() ?? [] };
  }

  warmingMetrics(): { enabled: boolean; strategies: WarmingMetrics[] } {
    const warming = this.findWarming();
    return { enabled: warming !== null, strategies: warming?.metrics() ?? [] };
  }

  /**
   * Invalidates, or counts what would be. `acknowledged: false` in the answer: the shared tier is away; it is done here
   * and sent again until answered.
   * @throws BadRequestException for an empty selector
   * @throws ForbiddenException in read-only mode, unless it is a dry run
   * @throws UnknownNamespaceError
   */
  async invalidate(
    selector: InvalidationSelector,
    { dryRun = false, actor = 'application' }: { dryRun?: boolean; actor?: string } = {},
  ): Promise<InvalidationReport> {
    if (isEmpty(selector)) {
      throw new BadRequestException(
        'Say what to invalidate: keys, tags, namespaces, pattern(s), user, symbol, or all: true.',
      );
    }
    if (!dryRun) this.#assertWritable('invalidate');
    for (const namespace of [
      ...(selector.namespaces ?? []),
      ...(selector.keys ?? []).map((key) => key.namespace),
    ]) {
      // Throws for an unknown one before anything is invalidated.
      this.cache.namespace(namespace);
    }
    const report = await this.cache.invalidateWithReport(selector, { dryRun });
    const counts = JSON.stringify(report.counts);
    this.#audit(
      actor,
      `${dryRun ? 'would invalidate' : 'invalidated'} ${describeSelector(selector)}: ${report.total} entries ${counts}${report.acknowledged ? '' : ', not yet acknowledged by the shared tier'}`,
    );
    return report;
  }

  /**
   * Warms by all strategies, the named ones, or explicit entries; waits until it is done.
   * @throws NotFoundException without CacheWarmingModule
   * @throws ForbiddenException in read-only mode
   * @throws InvalidOptionsError for an unknown strategy
   */
  async warm(
    request: WarmingRequest = {},
    { actor = 'application' }: { actor?: string } = {},
  ): Promise<WarmingSummary> {
    this.#assertWritable('warming');
    const warming = this.findWarming();
    if (!warming) {
      throw new NotFoundException(
        'This application does not import CacheWarmingModule (nestjs-strata/warming).',
      );
    }
    for (const { namespace } of request.keys ?? []) this.cache.namespace(namespace);
    const reports = await warming.trigger(request);
    const count = reports.reduce((sum, { itemsProcessed }) => sum + itemsProcessed, 0);
    const what = reports.map(
      (report) =>
        `${report.strategy} ${report.itemsProcessed}${report.skipped ? ` (${report.skipped})` : ''}${report.failures ? ` (${report.failures} failed)` : ''}`,
    );
    this.#audit(actor, `warmed ${count} items: ${what.join(', ') || 'no strategies'}`);
    return { success: reports.every(({ success }) => success), count, reports };
  }

  #assertWritable(action: string): void {
    if (!this.options.readOnly) return;
    throw new ForbiddenException(
      `Cache administration is read-only here: ${action} is off. Unset CACHE_ADMIN_READ_ONLY, or the option "readOnly" of CacheAdminModule.`,
    );
  }

  #audit(actor: string, what: string): void {
    this.logger.log(`admin: ${actor} ${what}`);
  }

  async #describe(): Promise<RemoteDescription | null> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => (timer = setTimeout(resolve, DESCRIBE_MS, null)));
    try {
      return await Promise.race([this.cache.describeRemote(), late]);
    } catch {
      // The tier gives no answer: `remote.state` beside it says so.
      return null;
    } finally {
      clearTimeout(timer);
    }
  }
}

function isEmpty({ keys, tags, namespaces, patterns, user, symbol, all }: InvalidationSelector): boolean {
  return !(keys?.length || tags?.length || namespaces?.length || patterns?.length || user || symbol || all);
}

/** For the log: ids of single entries stay out (they may be tokens of sessions), other names are quoted and few. */
function describeSelector(selector: InvalidationSelector): string {
  const { keys, tags, namespaces, patterns, user, symbol, all } = selector;
  const parts: string[] = [];
  if (all) parts.push('everything');
  if (keys?.length) parts.push(`${keys.length} key(s) of ${few(keys.map((key) => key.namespace))}`);
  if (namespaces?.length) parts.push(`namespaces ${few(namespaces)}`);
  if (tags?.length) parts.push(`tags ${few(tags)}`);
  if (patterns?.length) parts.push(`patterns ${few(patterns)}`);
  if (user) parts.push(`user ${few([user])}`);
  if (symbol) parts.push(`symbol ${few([symbol])}`);
  return parts.join(', ');
}

function few(names: readonly string[]): string {
  const distinct = [...new Set(names)];
  const shown = distinct.slice(0, NAMED).map((name) => JSON.stringify(name.slice(0, 100)));
  return shown.join(' ') + (distinct.length > NAMED ? ` and ${distinct.length - NAMED} more` : '');
}
