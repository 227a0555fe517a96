import type { DataSource } from 'typeorm';
import { checkOutbox } from './check.js';
import { installOutbox, uninstallOutbox } from './install.js';
import { describeFinding } from './outbox.js';
import type { OutboxTriggerOptions } from './outbox.options.js';

const USAGE = `usage: outbox install | uninstall | check
  install    creates the outbox and the triggers of all marked entities; what is up to date is left alone
  uninstall  removes all its triggers and tables
  check      names the writes that cannot be seen; exit code 1 if there are any`;

/**
 * A command line for the outbox, to be called from a script of yours that has your data source with its entities:
 *
 * ```ts
 * process.exitCode = await runOutboxCli(dataSource, process.argv.slice(2));
 * ```
 *
 * Initialises the data source if need be, and destroys it then.
 * @returns the exit code: 0 done, 1 failed or something cannot be seen, 2 not understood
 */
export async function runOutboxCli(
  dataSource: DataSource,
  argv: readonly string[],
  options: OutboxTriggerOptions = {},
  print: (line: string) => void = console.log,
): Promise<number> {
  const [command, ...rest] = argv;
  if (rest.length > 0 || !['install', 'uninstall', 'check'].includes(command ?? '')) {
    print(USAGE);
    return 2;
  }
  const initialised = dataSource.isInitialized;
  try {
    if (!initialised) await dataSource.initialize();
    return await run(command ?? '', dataSource, options, print);
  } catch (error) {
    print(error instanceof Error ? error.message : String(error));
    return 1;
  } finally {
    if (!initialised && dataSource.isInitialized) await dataSource.destroy();
  }
}

async function run(
  command: string,
  dataSource: DataSource,
  options: OutboxTriggerOptions,
  print: (line: string) => void,
): Promise<number> {
  if (command === 'uninstall') {
    await uninstallOutbox(dataSource, { table: options.table, schema: options.schema });
    print('removed');
    return 0;
  }
  if (command === 'install') {
    const { installed, unchanged, missing } = await installOutbox(dataSource, options);
    for (const table of installed) print(`installed: ${table}`);
    for (const table of unchanged) print(`up to date: ${table}`);
    for (const table of missing) print(`no such table: ${table}`);
    return missing.length === 0 ? 0 : 1;
  }
  const findings = await checkOutbox(dataSource, options);
  for (const finding of findings) print(describeFinding(finding));
  if (findings.length === 0) print('all writes to marked entities are seen');
  return findings.length === 0 ? 0 : 1;
}
