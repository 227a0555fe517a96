/** Figures of one cache in one process. Rates are in percent; latencies in milliseconds. */
export interface CacheStats {
  name: string;
  /** Wall clock ms: since when. */
  since: number;
  /** Reads answered from L1 or L2 (stale ones included). */
  hits: number;
  /** Reads that had to go to the source (joining somebody's load included). */
  misses: number;
  /** hits + misses. */
  totalOperations: number;
  hitRate: number;
  /** Failed commands of the shared tier and unusable entries: what a caller never saw. */
  errors: number;
  /** errors in percent of operations + errors. */
  errorRate: number;
  /** Calls of loaders. */
  sourceLoads: number;
  /** Calls of loaders that threw; the caller saw them. */
  sourceErrors: number;
  writes: number;
  invalidations: number;
  staleServed: number;
  averageResponseTimeMs: number;
  /** Fills the protocol refused: something invalidated the key during the load. */
  fillsRejected: number;
  /** Not stored because unserialisable or too large. */
  notStored: number;
  tiers: { l1: MemoryTierStats; l2: TierStats & { state: string }; source: TierStats };
  namespaces: Record<string, NamespaceStats>;
  windows: Record<'1m' | '5m' | '60m', WindowStats>;
}

export interface LatencyStats {
  count: number;
  avg: number;
  p50: number;
  p95: number;
  p99: number;
}

export interface TierStats {
  hits: number;
  misses: number;
  hitRate: number;
  errors: number;
  latencyMs: LatencyStats;
}

export interface MemoryTierStats extends TierStats {
  entries: number;
  maxEntries: number;
  bytes: number;
  maxBytes: number;
  evictions: number;
  expirations: number;
}

export interface NamespaceStats {
  hits: number;
  l1Hits: number;
  l2Hits: number;
  misses: number;
  hitRate: number;
  sourceLoads: number;
  sourceErrors: number;
  writes: number;
  invalidations: number;
  evictions: number;
  staleServed: number;
  errors: number;
}

export interface WindowStats {
  hits: number;
  misses: number;
  hitRate: number;
  errors: number;
  errorRate: number;
  sourceLoads: number;
  evictions: number;
  invalidations: number;
}
