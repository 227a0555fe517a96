/** What the policies read of a request; Express's and Fastify's both have it. */
export interface AdminRequest {
  method: string;
  url?: string;
  headers: Readonly<Record<string, string | string[] | undefined>>;
  socket: { remoteAddress?: string };
  body?: unknown;
  /** Set by the host's own authentication, if any. */
  user?: unknown;
}

/**
 * True for a request that comes straight from this machine and was meant for it: the peer is a loopback address (of the
 * socket: `req.ip` believes headers), no proxy says that it forwarded it, and the browser meant a loopback name. The last
 * stops DNS rebinding, where a page of evil.example has its own name resolve to 127.0.0.1.
 */
export function isUnforwardedLoopback(request: AdminRequest): boolean {
  return (
    isLoopbackAddress(request.socket?.remoteAddress) &&
    !Object.keys(request.headers).some(saysForwarded) &&
    isLoopbackHost(single(request.headers['host']))
  );
}

/**
 * True when a browser sends the request on behalf of another site's page (CSRF). Fetch Metadata says so where the browser
 * has it; else an Origin that is not the host asked. Requests of other programs carry neither. Reads are judged by Origin
 * alone, which only scripts send with them: following a link is harmless.
 */
export function isCrossSite(request: AdminRequest, allowedOrigins: readonly string[] = []): boolean {
  const origin = single(request.headers['origin']);
  if (origin !== undefined && allowedOrigins.includes(origin)) return false;
  const site = single(request.headers['sec-fetch-site']);
  const reads = request.method === 'GET' || request.method === 'HEAD';
  if (site !== undefined && !reads) return site !== 'same-origin' && site !== 'none';
  if (origin === undefined || site === 'same-origin') return false;
  const host = single(request.headers['host']);
  return !URL.canParse(origin) || host === undefined || new URL(origin).host !== host.toLowerCase();
}

export function isLoopbackAddress(address: string | undefined): boolean {
  if (!address) return false;
  const plain = address.replace(/^::ffff:/i, '');
  return plain === '::1' || /^127(\.\d{1,3}){3}$/.test(plain);
}

function isLoopbackHost(host: string | undefined): boolean {
  if (!host || !URL.canParse(`http://${host}/`)) return false;
  const { hostname } = new URL(`http://${host}/`);
  return (
    hostname === 'localhost' ||
    hostname.endsWith('.localhost') ||
    hostname === '[::1]' ||
    isLoopbackAddress(hostname)
  );
}

function saysForwarded(header: string): boolean {
  return (
    header.startsWith('x-forwarded') ||
    [
      'forwarded',
      'via',
      'x-real-ip',
      'x-client-ip',
      'x-cluster-client-ip',
      'true-client-ip',
      'cf-connecting-ip',
      'fastly-client-ip',
      'x-original-host',
      'x-envoy-external-address',
    ].includes(header)
  );
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}
