/** Types of the services for the tests, which are TypeScript; see index.mjs. */
import type { EventEmitter } from 'node:events';

export interface DaemonHandle {
  readonly url: string;
  readonly port: number;
  /** Of the process that runs now; changes when it is started again. */
  readonly pid: number;
  readonly source: string;
  readonly version: string;
  /** Sends a signal, by default SIGKILL. */
  kill(signal?: NodeJS.Signals): void;
  /** Stops it if it runs and starts it at once on the same port (its data: PostgreSQL's stay, Redis' do not). */
  restart(): Promise<void>;
  /** Stops it and removes its folder. */
  stop(): Promise<void>;
}

/** One server of a topology. */
export interface RedisServerHandle extends DaemonHandle {
  readonly host: string;
  /** Its folder. */
  readonly cwd: string;
}

export interface TopologyOptions {
  /** More command line arguments for each data server. */
  args?: readonly string[];
  /** Allows DEBUG from loopback. */
  debug?: boolean;
  run?: RunFolder;
  log?: (line: string) => void;
  signal?: AbortSignal;
}

export interface ReplicatedOptions extends TopologyOptions {
  /** Default 1. */
  replicas?: number;
  /** Default 1; the quorum is the majority. */
  sentinels?: number;
  /** How long a server may be silent before a sentinel holds it for down. Default 1000. */
  downAfterMs?: number;
  /** Sentinel's failover-timeout. Default 5000; 120,000 with `replicaVia`, whose detour it would correct. */
  failoverTimeoutMs?: number;
  /** The port that the replicas follow instead of the master's: a proxy's. */
  replicaVia?: (masterPort: number) => number | Promise<number>;
}

/** A master with replicas, watched by sentinels. */
export interface ReplicatedHandle {
  /** What the sentinels call the master. */
  readonly name: string;
  readonly master: RedisServerHandle;
  readonly replicas: readonly RedisServerHandle[];
  readonly sentinels: readonly RedisServerHandle[];
  server(port: number | string): RedisServerHandle | undefined;
  /** The master in the words of the sentinels' majority; undefined when none answers. */
  currentMaster(): Promise<RedisServerHandle | undefined>;
  /** Resolves when every other server that lives follows the current master without a gap. */
  inSync(): Promise<void>;
  stop(): Promise<void>;
}

export interface ClusterOptions extends TopologyOptions {
  /** Default 3. */
  masters?: number;
  /** Default 1. */
  replicasPerMaster?: number;
  /** Default 1000. */
  nodeTimeoutMs?: number;
}

export interface ClusterNodeHandle extends RedisServerHandle {
  readonly id: string;
  /** As it was at first; see topology(). */
  readonly role: 'master' | 'replica';
  readonly masterId?: string;
}

export interface ClusterNodeState {
  readonly id: string;
  readonly port: number;
  readonly role: 'master' | 'replica';
  readonly masterId?: string;
  /** First and last of each range. */
  readonly slots: readonly (readonly [number, number])[];
  /** Whether it answers. */
  readonly alive: boolean;
}

export interface ClusterHandle {
  /** The masters of the beginning first. */
  readonly nodes: readonly ClusterNodeHandle[];
  node(id: string): ClusterNodeHandle | undefined;
  topology(): Promise<ClusterNodeState[]>;
  /** Resolves when every node that lives sees all slots served and its replicas are in sync. */
  settled(): Promise<void>;
  /** Moves a slot with its keys, ten keys a step, `pauseMs` before each. */
  migrateSlot(slot: number, toId: string, options?: { pauseMs?: number }): Promise<void>;
  /** A replica takes over; gives the id of the new master when all that live agree. */
  failover(masterId: string, options?: { mode?: 'force' | 'takeover' }): Promise<string>;
  stop(): Promise<void>;
}

/** PEM texts; `files` are their paths. */
export interface Certificates {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly clientCert: string;
  readonly clientKey: string;
  readonly files: Readonly<Record<'ca' | 'cert' | 'key' | 'clientCert' | 'clientKey', string>>;
}

export interface DatabaseHandle {
  readonly name: string;
  readonly url: string;
  drop(): Promise<void>;
}

export interface PostgresHandle extends DaemonHandle {
  /** The superuser's URL, with a secret in it. */
  readonly adminUrl: string;
  createDatabase(name?: string): Promise<DatabaseHandle>;
}

/** Named by the user's DATABASE_URL or REDIS_URL: not ours to stop. */
export interface GivenService {
  readonly url: string;
  readonly source: string;
  readonly pid?: undefined;
  readonly adminUrl?: undefined;
  readonly version?: undefined;
}

export interface UnavailableService {
  readonly service: string;
  readonly reason: string;
  readonly fix: string;
}

export interface RunFolder {
  readonly base: string;
  folder(name: string): Promise<string>;
  record(pid: number, options: { stage: 'node' | 'service'; signal: NodeJS.Signals }): void;
  forget(pid: number): void;
  close(): Promise<void>;
}

export interface Services {
  readonly postgres: PostgresHandle | GivenService | null;
  readonly redis: DaemonHandle | GivenService | null;
  readonly unavailable: readonly UnavailableService[];
  /** Emits 'restarted' with `{ service, pid }`. */
  readonly events: EventEmitter;
  readonly run: RunFolder;
  stop(): Promise<void>;
}

export interface DaemonOptions {
  /** Default: a free one. */
  port?: number;
  /** More command line arguments. */
  args?: readonly string[];
  /** Started again so many milliseconds after it died; default: never. */
  restartAfterMs?: number;
  onRestart?: (pid: number) => void;
  log?: (line: string) => void;
  signal?: AbortSignal;
}

export class UnavailableError extends Error {
  readonly service: string;
  readonly reason: string;
  readonly fix: string;
}

export const RESTART_AFTER_MS: number;
export function startServices(options?: {
  postgres?: boolean;
  redis?: boolean;
  log?: (line: string) => void;
  signal?: AbortSignal;
}): Promise<Services>;
/** `debug` allows DEBUG from loopback. */
export function startRedis(options?: DaemonOptions & { debug?: boolean }): Promise<DaemonHandle>;
export function startReplicated(options?: ReplicatedOptions): Promise<ReplicatedHandle>;
export function startCluster(options?: ClusterOptions): Promise<ClusterHandle>;
/** `acl`: lines of the ACL file; `clientCertificates`: refuses clients without one. */
export function startRedisWithTls(
  options?: TopologyOptions & { port?: number; acl?: readonly string[]; clientCertificates?: boolean },
): Promise<DaemonHandle & { readonly certificates: Certificates }>;
/** Certificates for loopback, made by openssl in an empty folder. */
export function makeCertificates(
  folder: string,
  options?: { user?: { uid?: number; gid?: number } },
): Promise<Certificates>;
export interface PostgresCandidate {
  readonly source: string;
  /** The folder with initdb and postgres. */
  readonly bin: string;
  /** The folder to copy if the service's user cannot run them in place. */
  readonly native?: string;
}
export function startPostgres(
  options?: DaemonOptions & { candidates?: readonly PostgresCandidate[] },
): Promise<PostgresHandle>;
export function createDatabase(options: {
  url: string;
  adminUrl?: string;
  name?: string;
}): Promise<DatabaseHandle>;
export function maskUrl(url: string): string;
export function freePort(): Promise<number>;
/** A port whose successor by 10,000 (Redis Cluster's bus) is free too. */
export function freeClusterPort(): Promise<number>;
export function isPortFree(port: number): Promise<boolean>;
/** Removes what dead owners have left; gives the folders removed. */
export function sweep(): Promise<string[]>;
