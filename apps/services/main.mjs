/** `npm run services`: only the services, until a signal. The output can be used as a .env file. */
import { parseArgs } from 'node:util';
import { maskUrl, startServices } from './index.mjs';
import { StopRequested, listenForStop } from './stop-requests.mjs';

const HELP = `Usage: npm run services
Starts PostgreSQL and Redis on free ports in temporary folders, prints their URLs and runs until a signal.
What DATABASE_URL or REDIS_URL names is used as it is and not started.
  --help  this text`;

const comment = (line) => console.log(`# ${line.replaceAll('\n', '\n# ')}`);

function wantsHelp() {
  try {
    return parseArgs({ options: { help: { type: 'boolean', short: 'h' } } }).values.help;
  } catch (error) {
    console.error(`${error.message}\n\n${HELP}`);
    return process.exit(1);
  }
}

function report(variable, service) {
  if (!service) return;
  if (service.source === variable) comment(`${variable} is set: ${maskUrl(service.url)}`);
  else {
    comment(`from ${service.source}, version ${service.version}, pid ${service.pid}`);
    console.log(`${variable}=${service.url}`);
  }
}

/** The exit code. */
async function main() {
  if (wantsHelp()) {
    console.log(HELP);
    return 0;
  }
  const stop = listenForStop();
  try {
    const services = await startServices({ log: comment, signal: stop.signal });
    report('DATABASE_URL', services.postgres);
    report('REDIS_URL', services.redis);
    for (const { service, reason, fix } of services.unavailable) {
      comment(`WARNING: no ${service}: ${reason}. To fix it: ${fix}`);
    }
    comment('Ctrl-C stops them');
    comment(`stopping: ${await stop.requested}`);
    await services.stop();
    return 0;
  } catch (error) {
    if (error instanceof StopRequested) return 0;
    console.error(error.message);
    return 1;
  } finally {
    stop.dispose();
  }
}

process.exitCode = await main();
