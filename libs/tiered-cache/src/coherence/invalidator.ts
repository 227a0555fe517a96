import { type CacheCore, remoteLost } from '../cache-core.js';
import { isKeyCharacter } from '../keys/escape.js';
import { globMatcher } from '../keys/glob.js';
import { PATTERNS_TAG } from '../keys/key-tag.js';
import type { InvalidationResult, InvalidationSelector } from '../options.js';
import type { EntryKey, LogPosition, LogRecord } from '../remote/remote-tier.js';
import type { BusRecord } from './second-bus.js';

export interface Change {
  keys: readonly EntryKey[];
  tags: readonly string[];
  pattern?: string;
  /** As in the port: leases left to this writer, one token per key. */
  hold?: { tokens: readonly string[]; leaseMs: number };
  /** As in the port: this writer's fence, which goes with its keys. */
  fenceId?: string;
  /** Told how often this change touched its keys here, so that its writer can tell its own touches from others'. */
  touches?: { own: number };
  /** Where the second bus has it from. 'recorded': it has it already. */
  origin: InvalidationSelector | 'recorded';
  /** As in InvalidateOptions. */
  patienceMs?: number | undefined;
}

/** A change in parts, and one that is not to be written down. */
type Part = Omit<Change, 'origin' | 'touches' | 'patienceMs'>;

const RESEND_CHUNK = 1_000;
/** Keys and tags in one record: what every adapter sends at once, so that each record's position is answered. */
const RECORD_ITEMS = 250;

/** An invalidation unanswered for so long is bypassed on this node until it is answered; what a write waits by default. */
const BYPASS_AFTER_MS = 50;

/**
 * The way of a write (protocol, "Write" 4): send to the shared tier; when answered, apply here; when not, apply here,
 * bypass and send again. Never throws, never waits longer than one command.
 */
export class Invalidator {
  private resending = false;

  constructor(private readonly core: CacheCore) {}

  async send(change: Change): Promise<InvalidationResult> {
    const { core } = this;
    if (change.keys.length === 0 && change.tags.length === 0 && change.pattern === undefined)
      return { acknowledged: true, position: null };
    if (core.remote === null) {
      this.apply(change, 'local');
      if (change.touches !== undefined) change.touches.own++;
      return { acknowledged: true, position: null };
    }
    core.writes++;
    const record = this.record(change);
    const sent = core.pending.send(change);
    let bypassed = false;
    const bypass = () => {
      bypassed = true;
      sent.bypass();
      this.apply(change, 'local');
      if (change.touches !== undefined) change.touches.own++;
    };
    // A writer that does not wait for the answer any longer must not read from here what it has just replaced.
    const patienceMs = Math.min(change.patienceMs ?? BYPASS_AFTER_MS, BYPASS_AFTER_MS);
    const cancel = core.clock.setTimer(patienceMs, bypass);
    try {
      const positions: LogPosition[] = [];
      for (const part of inParts(change)) {
        const written = await core.remote.run((tier) => tier.invalidate(part));
        core.ownRecords.add(written);
        positions.push(...written);
        // At once: the log will skip this record.
        this.apply(part, 'local');
      }
      sent.answered();
      if (change.touches !== undefined) change.touches.own++;
      const position = core.log!.positionOf(positions);
      (await record)?.settle(position);
      return { acknowledged: true, position };
    } catch (error) {
      if (!bypassed) bypass();
      // It is on the second bus, so whoever answers there is not believed before it was replayed.
      if (core.bus?.attached === true && (change.origin === 'recorded' || (await record) !== null)) {
        sent.answered();
        core.bus.doubt();
      } else sent.due();
      if (core.events.watched('invalidation-failed'))
        core.events.emit('invalidation-failed', { keys: change.keys, tags: change.tags, error });
      return { acknowledged: false, position: null };
    } finally {
      cancel();
      core.writes--;
    }
  }

  /** A record of the log: another node's change, or an own one whose answer was lost. */
  applyRecord(record: LogRecord): void {
    if (this.core.ownRecords.take(record.position)) return;
    this.apply(record, 'log');
  }

  /** Everything known locally is worthless. */
  applyGap(): void {
    const { core } = this;
    core.l1.clear();
    core.tags.forgetAll();
    core.markers.touchAll();
    core.ownRecords.clear();
  }

  /** Sends what was not answered, in chunks; called when the shared tier answers again. */
  async resend(): Promise<void> {
    const { core } = this;
    if (this.resending || core.remote === null || core.pending.size === 0 || remoteLost(core)) return;
    this.resending = true;
    try {
      const { batch, answered } = core.pending.take();
      if (batch.keys.length + batch.tags.length + batch.patterns.length === 0) return;
      for (let at = 0; at < Math.max(batch.keys.length, batch.tags.length); at += RESEND_CHUNK) {
        const change = {
          keys: batch.keys.slice(at, at + RESEND_CHUNK),
          tags: batch.tags.slice(at, at + RESEND_CHUNK),
        };
        await core.remote.run((tier) => tier.invalidate(change));
      }
      for (const pattern of batch.patterns) await this.walk(pattern);
      answered();
      // What was loaded meanwhile under these keys was never stored; what another node stored may be read again.
      this.apply({ keys: batch.keys, tags: batch.tags }, 'local');
      for (const pattern of batch.patterns) this.apply({ keys: [], tags: [], pattern }, 'local');
    } catch {
      // Counted by the guard; still pending, still bypassed, sent again with the next answer.
    } finally {
      this.resending = false;
    }
  }

  /** As `send`, for all entries whose key matches a glob: walks the key space. */
  async sendPattern(pattern: string, recorded = false): Promise<InvalidationResult> {
    const { core } = this;
    core.writes++;
    const record = recorded
      ? null
      : this.record({ keys: [], tags: [], pattern, origin: { patterns: [pattern] } });
    try {
      const positions = await this.walk(pattern);
      this.apply({ keys: [], tags: [], pattern }, 'local');
      const position = core.log?.positionOf(positions) ?? null;
      (await record)?.settle(position);
      return { acknowledged: true, position };
    } catch (error) {
      core.pending.add({ keys: [], tags: [], pattern });
      this.apply({ keys: [], tags: [], pattern }, 'local');
      if (core.events.watched('invalidation-failed'))
        core.events.emit('invalidation-failed', { keys: [], tags: [], pattern, error });
      return { acknowledged: false, position: null };
    } finally {
      core.writes--;
    }
  }

  /**
   * Deletes what matches from the shared tier; the record carries the pattern for the L1s. Locks (`#lock:...`) are no
   * entries. Walks twice: a load that fills during the first walk moves from lease to value, perhaps behind the cursor.
   * What is still to be filled after that was loaded after the call.
   * @throws RemoteUnavailableError
   */
  private async walk(pattern: string): Promise<readonly LogPosition[]> {
    const { remote } = this.core;
    if (remote === null) return [];
    const matches = globMatcher(pattern);
    for (let walk = 1; walk <= 2; walk++)
      for await (const keys of remote.scan(literalPrefix(pattern))) {
        const found = keys.filter((key) => !key.startsWith('#') && matches(key));
        if (found.length > 0) await remote.run((tier) => tier.invalidate({ keys: found, tags: [] }));
      }
    const positions = await remote.run((tier) =>
      tier.invalidate({ keys: [], tags: [PATTERNS_TAG], pattern }),
    );
    this.core.ownRecords.add(positions);
    return positions;
  }

  /** What the shared tier has answered already. */
  applyHere(change: Part): void {
    this.apply(change, 'local');
  }

  /** A change that the second bus has brought. */
  applyBus(change: Part): void {
    this.apply(change, 'log');
  }

  /** Writes it down for those who cannot hear the shared tier, where entries depend on that. */
  private async record({ keys, tags, pattern, origin }: Change): Promise<BusRecord | null> {
    const { bus, followsBus } = this.core;
    if (bus === null || !bus.attached || origin === 'recorded') return null;
    if (!(followsBus.size > 0 && (tags.length > 0 || pattern !== undefined || keys.some(isFollowed))))
      return null;
    return bus.record(origin);

    function isFollowed(key: EntryKey): boolean {
      return followsBus.has(key.slice(0, key.indexOf(':')));
    }
  }

  private apply(change: Part, origin: 'local' | 'log'): void {
    const { core } = this;
    for (const key of change.keys) {
      core.l1.delete(key);
      core.markers.touchKey(key);
      core.tags.touchKey(key);
    }
    for (const tag of change.tags) core.tags.touch(tag);
    if (change.pattern !== undefined) {
      const matches = globMatcher(change.pattern);
      core.l1.deleteMatching(matches);
      core.markers.touchMatching(matches);
      core.tags.touch(PATTERNS_TAG);
    }
    if (core.events.watched('invalidation'))
      core.events.emit('invalidation', {
        keys: change.keys,
        tags: change.tags,
        pattern: change.pattern,
        origin,
      });
  }
}

function* inParts({ keys, tags, hold, fenceId }: Change): Iterable<Part> {
  if (keys.length + tags.length <= RECORD_ITEMS) {
    yield { keys, tags, hold, fenceId };
    return;
  }
  for (let at = 0; at < keys.length; at += RECORD_ITEMS) {
    const end = at + RECORD_ITEMS;
    const held = hold && { ...hold, tokens: hold.tokens.slice(at, end) };
    yield { keys: keys.slice(at, end), tags: [], hold: held, fenceId };
  }
  for (let at = 0; at < tags.length; at += RECORD_ITEMS)
    yield { keys: [], tags: tags.slice(at, at + RECORD_ITEMS) };
}

/**
 * The part of a glob before its first wildcard, escape or character that keys escape, to narrow the walk: as it stands
 * in keys, and rather too short than too long.
 */
export function literalPrefix(pattern: string): string {
  let at = 0;
  while (at < pattern.length && isKeyCharacter(pattern.charCodeAt(at))) at++;
  return pattern.slice(0, at);
}
