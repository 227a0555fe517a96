/** URLs as they may be shown: without their secrets. */
const SECRET_PARAMETERS = ['password', 'sslpassword', 'passfile', 'sslkey'];

/** The URL with `***` where a password was; a URL without one stays as it is, to the letter. */
export function maskUrl(url) {
  let parsed;
  try {
    parsed = new URL(url);
  } catch {
    return '(a URL that cannot be read, not shown)';
  }
  let masked = false;
  if (parsed.password) {
    parsed.password = '***';
    masked = true;
  }
  for (const name of SECRET_PARAMETERS) {
    if (parsed.searchParams.has(name)) {
      parsed.searchParams.set(name, '***');
      masked = true;
    }
  }
  return masked ? parsed.href : url;
}
