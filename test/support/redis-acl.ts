import type { Redis } from 'ioredis';

/**
 * The commands an application needs, one rule each, in the order of the line in docs/redis.md. What adds or drops one
 * in the adapter is told by test/integration/redis-tls-acl.int-spec.ts, which prints the list that MONITOR saw.
 */
export const ACL_COMMANDS: readonly string[] = [
  'client|setname info scan eval evalsha multi exec time',
  'get mget set del exists expire pexpire pttl',
  'zadd zrem zcount zremrangebyscore hget hset hmget',
  'xadd xrange xrevrange xread',
].flatMap((group) => group.split(' '));

/** The documented user, for a prefix as it stands in keys (colons are slashes there). */
export function aclUser(name: string, password: string, prefix: string): string {
  return [
    `user ${name} on >${password} ~{${prefix}:* resetchannels -@all`,
    ...ACL_COMMANDS.map((command) => `+${command}`),
  ].join(' ');
}

/** Allowed to everybody: a client that may not log in cannot do anything else. */
const ALWAYS = new Set(['auth', 'hello', 'quit', 'reset']);
/** Commands with subcommands of which an ACL should name only some. */
const CONTAINERS = new Set(['client', 'script', 'cluster', 'config', 'acl', 'xinfo', 'memory', 'object']);

/** Collects what clients other than `admin` send, and what scripts call, as ACL rules name it. */
export async function watchCommands(admin: Redis): Promise<{ seen: Set<string>; stop: () => void }> {
  const seen = new Set<string>();
  const own = await admin.client('INFO').then((line) => /\baddr=(\S+)/.exec(String(line))?.[1]);
  const monitor = await admin.monitor();
  monitor.on('monitor', (_time: string, args: string[], source: string) => {
    if (source === own) return;
    const [name = '', subcommand = ''] = args.map((arg) => arg.toLowerCase());
    if (ALWAYS.has(name)) return;
    seen.add(CONTAINERS.has(name) ? `${name}|${subcommand}` : name);
  });
  return { seen, stop: () => monitor.disconnect() };
}
