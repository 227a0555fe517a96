/** Certificates for a server on loopback, made anew each time: no key is ever kept in the repository. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findOnPath, run } from './launch.mjs';
import { UnavailableError } from './unavailable.mjs';

/**
 * A certificate authority of its own, and a server's and a client's certificate signed by it, valid for two days.
 *
 * @param folder an empty folder of the user that will run the server
 * @param options.user `{ uid, gid }` as whom to write, default: ourselves
 * @returns `{ ca, cert, key, clientCert, clientKey, files }`: PEM texts, and the paths of the same
 */
export async function makeCertificates(folder, { user = {} } = {}) {
  const program = findOnPath('openssl');
  if (!program)
    throw new UnavailableError('certificates', 'no openssl on PATH', 'sudo apt-get install openssl');
  const openssl = async (...args) => {
    const { code, output } = await run(program, args, {
      cwd: folder,
      env: { PATH: process.env.PATH, HOME: folder },
      ...user,
    });
    if (code !== 0) throw new Error(`openssl ${args[0]} failed: ${output.trim().slice(-500)}`);
  };
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const authority = '/CN=nestjs-strata test authority';
  await openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    'ca.key',
    '-out',
    'ca.crt',
    '-days',
    '2',
    '-subj',
    authority,
  );
  const sign = async (name, extensions) => {
    await openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    const from = ['-in', `${name}.csr`, '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial'];
    const file = join(folder, `${name}.ext`);
    await writeFile(file, `${extensions}\n`, { mode: 0o644 });
    await openssl('x509', '-req', ...from, '-out', `${name}.crt`, '-days', '2', '-extfile', file);
  };
  await sign('server', 'subjectAltName=IP:127.0.0.1,DNS:localhost\nextendedKeyUsage=serverAuth');
  await sign('client', 'extendedKeyUsage=clientAuth');
  const files = Object.fromEntries(
    [
      ['ca', 'ca.crt'],
      ['cert', 'server.crt'],
      ['key', 'server.key'],
      ['clientCert', 'client.crt'],
      ['clientKey', 'client.key'],
    ].map(([what, name]) => [what, join(folder, name)]),
  );
  const texts = await Promise.all(
    Object.entries(files).map(async ([what, path]) => [what, await readFile(path, 'utf8')]),
  );
  return { ...Object.fromEntries(texts), files };
}
