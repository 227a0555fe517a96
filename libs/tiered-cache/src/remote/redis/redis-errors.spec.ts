import { unavailable } from './redis-errors.js';

/** As ioredis makes them. */
function reply(message: string): Error {
  const error = new Error(message);
  error.name = 'ReplyError';
  return error;
}

describe('errors of Redis', () => {
  it.each([
    "OOM command not allowed when used memory > 'maxmemory'.",
    'WRONGTYPE Operation against a key',
    'NOPERM this user',
  ])('concern one command: %s', (message) => expect(unavailable(reply(message), 'h:1').answered).toBe(true));

  it.each([
    'LOADING Redis is loading',
    "READONLY You can't write",
    'NOAUTH Authentication required.',
    'MASTERDOWN Link',
  ])('concern all commands: %s', (message) =>
    expect(unavailable(reply(message), 'h:1').answered).toBe(false),
  );

  it('are none: timeouts and lost connections', () => {
    expect(unavailable(new Error('Command timed out'), 'h:1').answered).toBe(false);
    expect(unavailable(new Error('Connection is closed.'), 'h:1').answered).toBe(false);
  });
});
