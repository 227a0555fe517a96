import { type Server } from 'node:http';
import { type INestApplication, Logger } from '@nestjs/common';

const CUT_CONNECTIONS_AFTER_MS = 5_000;
const GIVE_UP_AFTER_MS = 9_000;

/**
 * Ends the process in order on SIGTERM, SIGINT, or when the runner that started it is gone: no new requests,
 * answers in flight finish, then the database's and the cache's connections close, exit 0. Further signals change
 * nothing. Unlike Nest's own shutdown hooks it also covers the time before the application exists, and its end.
 */
export class Shutdown {
  private readonly logger = new Logger('Shutdown');
  private app: INestApplication<Server> | null = null;
  private stopping = false;

  constructor() {
    process.on('SIGTERM', () => this.stop('SIGTERM'));
    process.on('SIGINT', () => this.stop('SIGINT'));
    process.once('disconnect', () => this.stop('disconnect'));
  }

  /** From now on there is something to close. */
  watch(app: INestApplication<Server>): void {
    this.app = app;
  }

  private stop(reason: string): void {
    if (this.stopping) return;
    this.stopping = true;
    // Nothing listens yet; a schema or seed in progress is a transaction that the database rolls back.
    if (!this.app) process.exit(0);
    setTimeout(() => {
      this.logger.error(`Not stopped after ${GIVE_UP_AFTER_MS} ms; leaving.`);
      process.exit(1);
    }, GIVE_UP_AFTER_MS).unref();
    this.close(this.app, reason);
  }

  private close(app: INestApplication<Server>, reason: string): void {
    const server = app.getHttpServer();
    // A kept-alive connection that was busy when the server closed would hold it open for its idle time.
    const idle = setInterval(() => server.closeIdleConnections(), 100);
    const cut = setTimeout(() => server.closeAllConnections(), CUT_CONNECTIONS_AFTER_MS);
    app.close().then(
      () => {
        this.logger.log(`Stopped (${reason}).`);
        process.exit(0);
      },
      (error: unknown) => {
        this.logger.error('Stopping failed', error instanceof Error ? error.stack : String(error));
        process.exit(1);
      },
    );
    idle.unref();
    cut.unref();
  }
}
