/** The command line and environment of `npm start`. */
import { parseArgs } from 'node:util';

const MAX_NODES = 32;
const DEFAULT_PORT = 3000;

export const HELP = `Usage: npm start -- [options]
Builds and runs the trading demo. PostgreSQL and Redis are taken from DATABASE_URL and REDIS_URL,
or found on this machine, or provided for as long as the demo runs.
  --nodes N   how many nodes share the services, 1 to ${MAX_NODES} (default 1)
  --port P    node 1's port (default: $PORT, else ${DEFAULT_PORT}, else a free one); the next ones are for the others,
              or any free ones
  --help      this text`;

/** A mistake in how the program was called; its message is all the user needs. */
export class UsageError extends Error {
  name = 'UsageError';
}

/**
 * @returns `{ help, nodes, port, portSource }`; `portSource` names where an explicit port comes from and is
 *   undefined for the default one. Throws UsageError.
 */
export function readArguments(argv, env) {
  const { values } = parse(argv);
  const nodes = integer('--nodes', values.nodes ?? '1', 1, MAX_NODES);
  const explicit = values.port === undefined ? [env.PORT, 'PORT'] : [values.port, '--port'];
  // An empty PORT is what `PORT= npm start` and many .env files mean by "not set".
  const isSet = values.port !== undefined || Boolean(env.PORT?.trim());
  return {
    help: values.help === true,
    nodes,
    port: isSet ? integer(explicit[1], explicit[0], 1, 65_535) : DEFAULT_PORT,
    portSource: isSet ? explicit[1] : undefined,
  };
}

function parse(argv) {
  try {
    return parseArgs({
      args: argv,
      options: { nodes: { type: 'string' }, port: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
    });
  } catch (error) {
    throw new UsageError(error.message, { cause: error });
  }
}

function integer(name, text, lowest, highest) {
  const value = /^\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (value >= lowest && value <= highest) return value;
  throw new UsageError(`${name} must be a whole number from ${lowest} to ${highest}, not '${text}'`);
}
