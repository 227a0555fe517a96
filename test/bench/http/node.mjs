/**
 * One node of the demo, as built, that counts the queries it sends to the database and can do without its cache. Started by
 * suites/http.mjs with an IPC channel.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const { BENCH_BUILD: build, BENCH_CACHE: mode } = process.env;
const require = createRequire(join(build, 'package.json'));
const load = (name) => import(pathToFileURL(require.resolve(name)).href);

await load('reflect-metadata');
const { NestFactory, ModulesContainer } = await load('@nestjs/core');
const { AppModule } = await import(pathToFileURL(join(build, 'dist/apps/trading/src/app.module.js')).href);
const pg = await load('pg');

let queries = 0;
const { query } = pg.default.Client.prototype;
pg.default.Client.prototype.query = function counted(...args) {
  queries++;
  return query.apply(this, args);
};

const app = await NestFactory.create(AppModule.forRoot(process.env), { logger: ['warn', 'error', 'fatal'] });
await app.init();
if (mode === 'off') unbind(app.get(ModulesContainer));
const server = app.getHttpServer();
server.keepAliveTimeout = 65_000;
await app.listen(0, '127.0.0.1');
process.send({ type: 'ready', url: `http://127.0.0.1:${server.address().port}` });

async function serve({ type }) {
  if (type === 'queries') process.send({ type: 'queries', queries });
  if (type === 'stop') {
    await app.close();
    process.exit(0);
  }
}

process.on('message', (request) => void serve(request));
process.on('disconnect', () => process.exit(1));

/** A decorated method of an instance that belongs to no cache is as it was written. */
function unbind(modules) {
  for (const { providers } of modules.values())
    for (const { instance } of providers.values()) {
      if (typeof instance !== 'object' || instance === null) continue;
      const bound = Object.getOwnPropertySymbols(instance).find((key) => key.description === 'Strata:bound');
      if (bound !== undefined) delete instance[bound];
    }
}
