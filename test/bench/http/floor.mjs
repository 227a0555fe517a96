/**
 * The floors: the same answers as the demo gives, as constants. BENCH_FLOOR is `node` (node:http, text made beforehand), or
 * what is under a Nest application that hands out objects: `fastify`, `express`.
 */
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const { BENCH_BUILD: build, BENCH_FLOOR: kind } = process.env;
const require = createRequire(`${build}/package.json`);
const load = (name) => import(pathToFileURL(require.resolve(name)).href);

process.on('disconnect', () => process.exit(0));
process.on('SIGTERM', () => process.exit(0));
process.on('message', ({ type, answers }) => {
  if (type !== 'answers') return;
  if (kind === 'node') node(answers);
  else void nest(answers);
});
process.send({ type: 'waiting' });

function ready(server) {
  process.send({ type: 'ready', url: `http://127.0.0.1:${server.address().port}` });
}

function node(answers) {
  const texts = new Map(answers.map(([path, answer]) => [path, JSON.stringify(answer)]));
  const server = createServer((request, response) => {
    response.setHeader('Content-Type', 'application/json; charset=utf-8');
    response.end(texts.get(request.url));
  });
  server.listen(0, '127.0.0.1', () => ready(server));
}

async function nest(answers) {
  await load('reflect-metadata');
  const { Controller, Get, Module, Req } = await load('@nestjs/common');
  const { NestFactory } = await load('@nestjs/core');
  const adapters = await load(`@nestjs/platform-${kind}`);
  const bodies = new Map(answers);

  class Constants {
    get({ url }) {
      return bodies.get(url);
    }
  }
  Get([':a', ':a/:b', ':a/:b/:c'])(
    Constants.prototype,
    'get',
    Object.getOwnPropertyDescriptor(Constants.prototype, 'get'),
  );
  Req()(Constants.prototype, 'get', 0);
  Controller()(Constants);
  class App {}
  Module({ controllers: [Constants] })(App);

  const adapter = kind === 'express' ? new adapters.ExpressAdapter() : new adapters.FastifyAdapter();
  const app = await NestFactory.create(App, adapter, { logger: ['error', 'fatal'] });
  await app.listen(0, '127.0.0.1');
  ready(app.getHttpServer());
}
