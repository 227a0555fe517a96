import 'reflect-metadata';
import { type Server } from 'node:http';
import { type INestApplication, Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';
import { logLevels, readTradingConfig } from './config/trading.config.js';
import { DemoLogger } from './demo-logger.js';
import { createHttpAdapter } from './http/adapter.js';
import { Shutdown } from './shutdown.js';

/** One node of the demo. A runner that started it with an IPC channel learns its address when it listens. */
async function main(): Promise<void> {
  const shutdown = new Shutdown();
  const { HOST, HTTP_ADAPTER, LOG_LEVEL, NODE_INDEX, PORT } = readTradingConfig(process.env);
  const app = await NestFactory.create<INestApplication<Server>>(
    AppModule.forRoot(process.env),
    await createHttpAdapter(HTTP_ADAPTER),
    { abortOnError: false, logger: new DemoLogger(logLevels(LOG_LEVEL)) },
  );
  shutdown.watch(app);
  keepConnections(app.getHttpServer());
  await app.listen(PORT, HOST);
  const url = addressOf(app.getHttpServer(), HOST);
  if (process.send) process.send({ type: 'ready', url });
  else new Logger('Trading').log(`ready node=${NODE_INDEX} url=${url}`);
}

/**
 * Longer than clients and proxies keep theirs: with Node's five seconds a busy client now and then sends a request
 * into a connection that is just being closed, and sees it fail.
 */
function keepConnections(server: Server): void {
  server.keepAliveTimeout = 65_000;
  server.headersTimeout = 66_000;
}

function addressOf(server: Server, host: string): string {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server has no port.');
  return `http://${host.includes(':') ? `[${host}]` : host}:${address.port}`;
}

main().catch((error: unknown) => {
  // The stack of a missing variable or a port in use helps nobody.
  new Logger('Trading').fatal(error instanceof Error ? error.message : String(error));
  process.exit(1);
});
