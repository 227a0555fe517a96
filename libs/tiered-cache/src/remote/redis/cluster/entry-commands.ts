import type { EntryKey } from '../../remote-tier.js';
import type { RedisKeys } from '../redis-keys.js';
import { plain, script, type SlotCommand } from './cluster-commands.js';

/**
 * INVALIDATE of one entry; `token` '' leaves no lease, `fenceId` '' removes no fence. In pieces the lease goes first: a
 * fill that comes between is rejected, and one that came before is deleted with the value. The writer's own lease is
 * not left then, since whether somebody else's fence stands would be another step: what it wrote is not stored.
 */
export function drop(
  keys: RedisKeys,
  key: EntryKey,
  fenceId: string,
  token: string,
  leaseMs: string,
): SlotCommand {
  const [value, lease, fences] = keys.entryKeys(key) as [string, string, string];
  const nonce = keys.nonceOfEntry(key);
  return script('strataDrop', { keys: [value, lease, fences, nonce], args: [fenceId, token, leaseMs] }, [
    plain('DEL', lease),
    plain('DEL', value),
    plain('DEL', nonce),
    ...(fenceId === '' ? [] : [plain('ZREM', fences, fenceId)]),
  ]);
}

/** FENCE of one entry. In pieces the fence goes first: from then on nobody fills. */
export function fenceEntry(keys: RedisKeys, key: EntryKey, fenceId: string, ms: string): SlotCommand {
  const [value, lease, fences] = keys.entryKeys(key) as [string, string, string];
  return script('strataFenceEntry', { keys: [value, lease, fences], args: [fenceId, ms] }, [
    script('strataStand', { keys: [fences], args: [fenceId, ms] }),
    plain('DEL', lease),
    plain('DEL', value),
  ]);
}
