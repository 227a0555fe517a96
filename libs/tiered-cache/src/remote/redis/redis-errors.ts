import { RemoteUnavailableError } from '../../errors.js';

/**
 * Whatever the client threw, as the port's error. ioredis hangs the command with its arguments on reply errors: AUTH
 * would show the password, FILL the cached value. So the cause is a copy that keeps only name, code and message.
 */
export function unavailable(error: unknown, endpoint: string): RemoteUnavailableError {
  if (error instanceof RemoteUnavailableError) return error;
  const cause = withoutCommand(error);
  return new RemoteUnavailableError(
    `Redis at ${endpoint}: ${cause.message}`,
    { cause },
    answersOthers(cause),
  );
}

/** An error of one command (OOM, WRONGTYPE, NOPERM): the next command may well succeed. */
function answersOthers({ name, message }: Error): boolean {
  return (
    name === 'ReplyError' &&
    !/^(LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOAUTH|WRONGPASS)\b/.test(message)
  );
}

export function withoutCommand(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  const copy = new Error(error.message || ('code' in error ? String(error.code) : error.name));
  copy.name = error.name;
  if ('code' in error) Object.assign(copy, { code: error.code });
  return copy;
}

/** In the words of ioredis, which has no class for it. */
export function timedOut(): Error {
  return new Error('Command timed out');
}

export function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'Command timed out';
}

/** The server answers, but as a replica or while it loads: another connection may reach the one that takes writes. */
export function wantsReconnect(error: Error): boolean {
  return /\b(READONLY|MASTERDOWN)\b/.test(error.message);
}
