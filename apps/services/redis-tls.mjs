/** A Redis that speaks TLS only, with an ACL file if one is wanted. */
import { chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { makeCertificates } from './certificates.mjs';
import { serviceUser } from './launch.mjs';
import { freePort } from './ports.mjs';
import { handle } from './redis.mjs';
import { answersPing, dataServerArgs, openRedisRun, startRedisServer } from './redis-server.mjs';
import { UnavailableError } from './unavailable.mjs';

/**
 * Throws UnavailableError when there is no program, when it was built without TLS, or when there is no openssl to make
 * certificates with.
 *
 * @param options.acl lines of the ACL file, such as `user app on >secret ~* +get`; default: no ACL file
 * @param options.clientCertificates refuses clients without one; default false
 * @param options.port, options.args, options.debug, options.run, options.log, options.signal as startRedis has them
 * @returns what startRedis gives, with a `rediss:` URL and `certificates`, PEM texts: `{ ca, cert, key, clientCert,
 *   clientKey }`
 */
export async function startRedisWithTls(options = {}) {
  const { acl, clientCertificates = false, args = [], debug } = options;
  const shared = await openRedisRun(options);
  try {
    const port = options.port ?? (await freePort());
    let certificates;
    const server = await startRedisServer({
      ...options,
      ...shared,
      name: 'Redis with TLS',
      port,
      ready: () =>
        answersPing(port, () =>
          // Readiness only: nothing is sent that anybody could want.
          connectTls({
            port,
            host: '127.0.0.1',
            rejectUnauthorized: false,
            cert: certificates.clientCert,
            key: certificates.clientKey,
          }),
        ),
      async args(dir, version) {
        const user = serviceUser();
        certificates = await makeCertificates(dir, { user });
        const { files } = certificates;
        return dataServerArgs({
          listen: ['--port', '0', '--tls-port', String(port)],
          dir,
          version,
          debug,
          args: [
            ['--tls-cert-file', files.cert, '--tls-key-file', files.key, '--tls-ca-cert-file', files.ca],
            ['--tls-auth-clients', clientCertificates ? 'yes' : 'no'],
            acl ? ['--aclfile', await writeAcl(dir, acl, user)] : [],
            args,
          ].flat(),
        });
      },
    });
    return handle(server, { url: `rediss://127.0.0.1:${port}`, certificates }, shared.close);
  } catch (error) {
    await shared.close();
    if (/Bad directive.*tls-port|tls-port.*(not|un)|without TLS/is.test(error.message))
      throw new UnavailableError(
        'Redis with TLS',
        'its program was built without TLS',
        'install one with TLS',
      );
    throw error;
  }
}

async function writeAcl(folder, lines, { uid, gid }) {
  const file = join(folder, 'users.acl');
  await writeFile(file, `${lines.join('\n')}\n`, { mode: 0o600 });
  if (uid !== undefined) await chown(file, uid, gid);
  return file;
}
