/** A TCP line on loopback that a test can hurt. Faults last until `mend()`. */
export interface TcpProxy {
  readonly port: number;
  /** `redis://127.0.0.1:<port>` */
  readonly url: string;
  /** Lines that are open now. */
  readonly connections: number;
  /** Everything arrives so many milliseconds late, in order, in both directions; 0: at once again. */
  delay(ms: number): void;
  /** Everything waits here, in both directions. */
  hold(): void;
  /** What waits goes on, and nothing is lost. */
  release(): void;
  /** Connections stay and new ones are accepted, but every byte is swallowed: a partition. */
  drop(): void;
  /** Connections stay and new ones are accepted, but only one way passes, by default what clients send. */
  halfOpen(passing?: 'to-server' | 'to-client'): void;
  /** Connections that exist now go silent until `mend()`, without FIN or RST; new ones work. */
  silence(): void;
  /** Destroys all connections and refuses new ones. */
  cut(): Promise<void>;
  /** As at first. Lines that have lost bytes are reset. */
  mend(): Promise<void>;
  /** For good. */
  stop(): Promise<void>;
}

export function startProxy(options: {
  /** The server behind it. */
  to: number | { host?: string; port: number };
  /** Default: a free one. */
  port?: number;
}): Promise<TcpProxy>;
