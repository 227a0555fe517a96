/** One row of the table: one fault on one topology, from fresh servers to the verdict. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { checkAudits } from './check/audit.mjs';
import { check, Violations } from './check/checker.mjs';
import { countLoads, loadsBySpace, loadsPerInvalidation } from './check/loads.mjs';
import { openDatabase } from './database.mjs';
import { Fleet } from './fleet.mjs';
import { Random } from './random.mjs';
import { readRecords } from './records.mjs';
import { TOPOLOGIES } from './topology/index.mjs';
import { WORKLOAD } from './workload.mjs';

const HEALTHY_WITHIN_MS = 15_000;
const WARM_MS = 500;

/**
 * @param {object} options `fault, topology (a name), program, postgres, seed, loadMs, nodes, boundMs, workload, signal`
 */
export async function runRow(options) {
  const { fault, postgres, seed, loadMs, nodes, boundMs, signal } = options;
  const workload = { ...WORKLOAD, ...fault.workload, ...options.workload };
  const random = new Random(seed, fault.name, options.topology);
  const sleep = (ms) => pause(ms, undefined, { signal });
  const folder = await mkdtemp(join(tmpdir(), 'strata-chaos-row-'));
  const closing = [() => rm(folder, { recursive: true, force: true })];
  const startedAt = performance.now();
  try {
    const database = await openDatabase(postgres, workload.keys);
    closing.push(() => database.close());
    const topology = await TOPOLOGIES[options.topology]({
      nodes,
      proxied: fault.proxied ?? false,
      detour: fault.detour ?? false,
      boundMs,
      random,
      signal,
    });
    closing.push(() => topology.stop());
    // A short log is overrun by who looks away: a gap; a long one is caught up with.
    const logMaxLength = random.pick([100, 10_000]);
    const configOf = (node) => ({
      ...workload,
      seed,
      bound: boundMs,
      databaseUrl: database.url,
      tier: { prefix: 'chaos', logMaxLength, ...topology.tierOptions(node) },
    });
    const fleet = new Fleet({ program: options.program, folder, count: nodes, configOf });
    closing.push(() => fleet.close());
    await fleet.start();
    const rowContext = { random, sleep, fleet, topology, database, postgres, boundMs };
    const untilHealthy = async () => {
      const since = performance.now();
      while (!(await fleet.healthy())) {
        if (performance.now() - since > HEALTHY_WITHIN_MS) {
          const says = JSON.stringify(fleet.newestHealth);
          fleet.failures.push({
            what: 'health',
            message: `not healthy after ${HEALTHY_WITHIN_MS} ms: ${says}`,
          });
          return Infinity;
        }
        await sleep(20);
      }
      return performance.now() - since;
    };
    await untilHealthy();
    handPositionsOver(fleet, random);
    await fleet.all('go');
    await sleep(WARM_MS);

    const recoveries = [];
    const end = performance.now() + loadMs;
    if (fault.run === undefined) {
      while (performance.now() < end) {
        await sleep(Math.min(250, end - performance.now()));
        await fleet.healthy();
      }
    } else
      do {
        await fault.run(rowContext);
        recoveries.push(await untilHealthy());
        await sleep(random.between(100, 2 * boundMs));
      } while (performance.now() < end);

    // C4: writers stop, the bound passes; then what is left is wrong for good.
    await fleet.all('stop');
    recoveries.push(await untilHealthy());
    await sleep(boundMs + 100);
    const audits = [];
    for (const { node, live } of fleet.nodes.slice(0, nodes))
      if (live) audits.push({ node, found: await fleet.ask(node, 'audit') });
    await fleet.spawn(nodes); // one with an empty L1 shows what L2 holds
    await untilHealthy();
    audits.push({ node: nodes, found: await fleet.ask(nodes, 'audit') });
    await fleet.healthy();
    await fleet.close();

    return await verdict({
      options,
      fleet,
      database,
      audits,
      recoveries,
      boundMs,
      seconds: since(startedAt),
    });
  } finally {
    for (const close of closing.reverse()) await close().catch(() => undefined); // the row's own outcome matters
  }
}

async function verdict({ options, fleet, database, audits, recoveries, boundMs, seconds }) {
  const { fault, topology } = options;
  const processes = fleet.processes.map((life) => ({ ...life, records: readRecords(life.records) }));
  const violations = new Violations();
  for (const failure of fleet.failures) violations.add('C0', { why: failure.message, ...failure });
  const fencesCount = !fault.losesFences;
  const checked = check({ processes, committed: await database.history(), boundMs, fencesCount }, violations);
  checkAudits(audits, await database.versions(), checked.history, processes, violations);
  const entries = countLoads(processes, checked.history);
  if (fault.oneLoadPerInvalidation)
    for (const { space, id, loads, invalidations } of entries)
      // A tag met for the first time in a process leaves that load unstored, as documented.
      if (space !== 'late' && loads > 1 + invalidations)
        violations.add('C5', {
          space,
          key: id,
          why: `${loads} loads of ${space}:${id} for ${invalidations} invalidations`,
        });
  const sum = (name) => processes.reduce((total, { stats }) => total + (stats?.[name] ?? 0), 0);
  const { staleness } = checked;
  return {
    topology,
    fault: fault.name,
    seed: options.seed,
    seconds,
    reads: checked.reads,
    writes: checked.writes,
    violations: violations.total,
    kinds: violations.counts,
    staleness: {
      p50: staleness.quantile(0.5),
      p99: staleness.quantile(0.99),
      p999: staleness.quantile(0.999),
      max: staleness.max,
    },
    recoveryMs: Math.max(0, ...recoveries),
    cycles: recoveries.length - 1,
    fillsRejected: sum('fillsRejected'),
    remoteErrors: sum('errors'),
    loadsPerInvalidation: loadsPerInvalidation(entries),
    loadsBySpace: loadsBySpace(entries),
    examples: violations.kept,
  };
}

/** What a writer on one node has written is demanded at once on another. */
function handPositionsOver(fleet, random) {
  fleet.onPosition = (from, { key, version, position }) => {
    const others = fleet.nodes.filter(({ node, ready, live }) => node !== from && ready && live);
    if (others.length === 0) return;
    const space = random.pick(['items', 'items', 'groups', 'groups', 'strict']);
    fleet.tell(random.pick(others).node, 'read', { key, version, position, space });
  };
}

const since = (startedAt) => (performance.now() - startedAt) / 1000;
