/**
 * Loaded before a server (`node --import`): answers over IPC how many statements it has sent to the database, counted where
 * pg sends them (the cache's own, for the outbox, included), and how much processor time it has used.
 */
import { createRequire } from 'node:module';

const { BENCH_BUILD: build } = process.env;
let statements = 0;
const { Client } = createRequire(`${build}/package.json`)('pg');
const { query } = Client.prototype;
Client.prototype.query = function counted(...args) {
  statements++;
  return query.apply(this, args);
};

process.on('message', ({ type }) => {
  if (type !== 'usage') return;
  const { user, system } = process.cpuUsage();
  process.send({ type: 'usage', statements, cpuUs: user + system });
});
