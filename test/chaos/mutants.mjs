/** Runs the judge against each mutant until a violation kills it, or its faults are through. */
import { join } from 'node:path';
import { buildPackage } from './build.mjs';
import { FAULTS } from './faults/index.mjs';
import { MUTANTS } from './mutants/index.mjs';
import { explain } from './report.mjs';
import { runRow } from './row.mjs';

const ROUNDS = 2;
const SECONDS = 8;

/** @returns the exit code: 1 when one survived. */
export async function runMutants(options, postgres, folder, signal) {
  const names = options.mutants === 'all' ? MUTANTS.map(({ name }) => name) : options.mutants;
  const survivors = [];
  for (const name of names) {
    const mutant = MUTANTS.find((one) => one.name === name);
    if (!mutant)
      throw new Error(`there is no mutant ${name}; there are ${MUTANTS.map((one) => one.name).join(', ')}`);
    const program = await buildPackage(join(folder, `mutant-${name}`), mutant.patches);
    const killed = await hunt(mutant, { ...options, program, postgres, signal });
    if (killed) {
      const kinds = Object.entries(killed.kinds).map(([kind, count]) => `${count} ${kind}`);
      console.log(
        `${name.padEnd(20)} killed by ${kinds.join(', ')} in ${killed.topology}/${killed.fault} (${killed.guard})`,
      );
      for (const line of explain(killed).slice(0, 4)) console.log(line);
    } else {
      survivors.push(name);
      console.log(`${name.padEnd(20)} SURVIVED ${mutant.faults.join(', ')} (${mutant.guard})`);
    }
  }
  console.log(`${names.length - survivors.length} of ${names.length} mutants killed`);
  return survivors.length === 0 ? 0 : 1;
}

async function hunt(mutant, options) {
  const { topology = 'standalone', workload, seconds = SECONDS, guard } = mutant;
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of mutant.faults) {
      const fault = FAULTS.find((one) => one.name === name);
      if (!fault) throw new Error(`${mutant.name}: there is no fault ${name}`);
      const row = await runRow({
        ...options,
        topology,
        fault: { ...fault, oneLoadPerInvalidation: false },
        workload,
        seed: options.seed + round,
        loadMs: seconds * 1000,
      });
      if (row.violations > 0) return { ...row, guard };
    }
  }
  return undefined;
}
