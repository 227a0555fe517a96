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
export function isPortFree(port: number): Promise<boolean>;
/** Removes what dead owners have left; gives the folders removed. */
export function sweep(): Promise<string[]>;
