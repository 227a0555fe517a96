/** Finds or starts, once, the real servers the tests run against; the workers learn of them by environment. */
import { startServices } from '../../apps/services/index.mjs';

export default async function globalSetup() {
  const services = await startServices();
  const { postgres, redis, unavailable } = services;
  setOrUnset('TEST_DATABASE_URL', postgres?.url);
  setOrUnset('TEST_DATABASE_ADMIN_URL', postgres?.adminUrl ?? postgres?.url);
  setOrUnset('TEST_REDIS_URL', redis?.url);
  setOrUnset('TEST_UNAVAILABLE', unavailable.length > 0 ? JSON.stringify(unavailable) : undefined);
  globalThis.__strataServices = services;
  if (unavailable.length > 0 && process.env.REQUIRE_REAL === '1') {
    await services.stop();
    const list = unavailable.map(({ service, reason, fix }) => `${service}: ${reason}. To fix it: ${fix}`);
    throw new Error(`REQUIRE_REAL=1, but a server cannot be had.\n${list.join('\n')}`);
  }
}

function setOrUnset(name, value) {
  if (value === undefined) delete process.env[name];
  else process.env[name] = value;
}
