import type { NamespaceOptions } from '../../libs/tiered-cache/src/index.js';
import type { HubCommand } from '../../libs/tiered-cache/src/remote/in-process/hub-faults.js';
import { BOUND, TIMEOUT } from './fleet.js';
import { InterleavedCalls } from './interleaved-calls.js';
import type { Event } from './interleaved-events.js';
import { InterleavedFleet, type Member } from './interleaved-fleet.js';
import { type History, type NodeStep, type Step, stepIn, type Traffic } from './interleaved-steps.js';
import { type Key, KEYS, Truth, valueOf } from './interleaved-truth.js';

/** No load of the source and no stop of a process takes longer: a load stuck for good is told to its readers. */
const LONGEST_MS = 3_000;
const SLICE_MS = 500;

/** What a node listens with. */
const BACKGROUND: ReadonlySet<HubCommand> = new Set<HubCommand>(['poll', 'vouch', 'wake']);

/** Of no interest any more when the faults are over. */
const POLLS = / poll |to poll$|is woken$/;

const ARRIVES: Record<Traffic, string> = {
  none: 'nothing arrives',
  new: 'what is sent meanwhile arrives',
  all: 'all arrives',
};

/** Plays one history, and notes every step on the way and every promise that was not kept. */
export class InterleavedRun {
  readonly broken: string[] = [];
  readonly trace: string[] = [];
  readonly truth: Truth;
  private readonly fleet: InterleavedFleet;
  private readonly calls: InterleavedCalls;
  private readonly stoppedAt = new Map<Member, number>();

  constructor(
    private readonly history: History,
    items: NamespaceOptions,
  ) {
    this.truth = new Truth(items.consistency === 'strict');
    const note = (line: string) => {
      if (this.resting && POLLS.test(line)) return;
      this.trace.push(`${String(this.fleet.now).padStart(6)} ms  ${line}`);
    };
    this.note = note;
    this.fleet = new InterleavedFleet(history.nodes, { ttl: '1m', lease: '2s', ...items }, note);
    this.calls = new InterleavedCalls(this.fleet, this.truth, note, this.broken);
  }
  private resting = false;
  private promote: (() => void) | undefined;
  private readonly note: (line: string) => void;

  async play(): Promise<void> {
    await this.fleet.pass(1, () => this.flow(() => true));
    this.trace.length = 0;
    for (const step of this.history.steps) {
      const taken = stepIn(this.history, step);
      if (taken === undefined) continue;
      await this.take(taken);
      await this.flow(() => false);
      if (this.broken.length > 0) return;
    }
    await this.rest();
  }

  /** Events that run by themselves, and those wanted, until none is left. */
  private flow(wanted: (event: Event) => boolean): Promise<void> {
    return this.fleet.events.drain((event) => wanted(event) || this.runsByItself(event));
  }

  private runsByItself(event: Event): boolean {
    return this.history.attentive && !(event.actor as Member).deaf && isBackground(event);
  }

  private async take(step: Step): Promise<void> {
    const { hub, members } = this.fleet;
    switch (step.do) {
      case 'event':
      case 'newest':
      case 'lose':
      case 'fail':
        return this.takeEvent(step.do, step.nth);
      case 'flow': {
        const of = step.node === 'all' ? undefined : members[step.node % members.length];
        return this.flow(
          (event) =>
            (of === undefined || event.actor === of) &&
            (step.loads || (event.kind !== 'load' && event.kind !== 'commit')) &&
            (step.polls || !isBackground(event)),
        );
      }
      case 'pass':
        return this.pass(step.ms, step.traffic);
      case 'flush':
        this.note('the hub loses all data');
        this.calls.dataLost();
        return hub.flush();
      case 'replicate':
        this.note('a replica has copied all that the hub holds');
        this.promote = hub.replica();
        return undefined;
      case 'fail over':
        if (this.promote === undefined) return undefined;
        this.note('the hub fails over to its replica');
        this.calls.dataLost();
        return this.promote();
      case 'restart':
      case 'restart with data':
        this.note(`the hub restarts ${step.do === 'restart' ? 'empty' : 'with its data'}`);
        if (step.do === 'restart') this.calls.dataLost();
        return hub.restart({ keepData: step.do !== 'restart' });
      case 'trim':
        this.note('the log keeps one record');
        return hub.trimLog(1);
      case 'punch':
        // A lost record shows only when another one follows it; the end of a log is lost with its server alone.
        this.note('the log loses its newest record, and has another one after it');
        await this.fleet.append();
        return hub.punchLog(1);
      case 'stop':
      case 'continue':
      case 'cut':
      case 'mend':
      case 'deafen':
      case 'kill':
        return this.disturb(step.do, step.node % members.length);
      default: {
        const by = members[step.node % members.length]!;
        if (!by.paused) this.calls.use(step.do, by, this.history.oneKey ? 'a' : step.key);
        return undefined;
      }
    }
  }

  private async takeEvent(how: 'event' | 'newest' | 'lose' | 'fail', nth: number): Promise<void> {
    const { events } = this.fleet;
    const fit = events.possible.filter(({ kind }) => {
      if (how === 'fail') return kind === 'load';
      return how !== 'lose' || kind === 'request' || kind === 'answer';
    });
    if (how === 'newest') fit.reverse();
    const event = fit[nth % Math.max(1, fit.length)];
    if (event === undefined) return;
    if (how === 'fail') await events.fail(event);
    else if (how === 'lose') events.lose(event);
    else await events.run(event);
  }

  private async pass(ms: number, traffic: Traffic): Promise<void> {
    this.note(`${ms} ms pass, ${ARRIVES[traffic]}`);
    const { newest } = this.fleet.events;
    const arrives = ({ id, kind, actor }: Event) =>
      kind !== 'load' &&
      kind !== 'commit' &&
      !(actor as Member).deaf &&
      (traffic === 'all' || (traffic === 'new' && id > newest));
    await this.flow(arrives);
    for (let left = ms; left > 0; left -= SLICE_MS) {
      await this.fleet.pass(Math.min(left, SLICE_MS), () => this.flow(arrives));
      const { now } = this.fleet;
      for (const [member, at] of this.stoppedAt)
        if (now - at >= LONGEST_MS) this.disturb('continue', this.fleet.members.indexOf(member));
      await this.flow(
        ({ kind, since }) => (kind === 'load' || kind === 'commit') && now - since >= LONGEST_MS,
      );
    }
  }

  private disturb(how: NodeStep, slot: number): void {
    const { hub, members } = this.fleet;
    const member = members[slot]!;
    this.note(`${member.name}: ${how}`);
    switch (how) {
      case 'stop':
        member.paused = true;
        this.stoppedAt.set(member, this.fleet.now);
        return;
      case 'continue':
        member.paused = false;
        this.stoppedAt.delete(member);
        return;
      case 'deafen':
        member.deaf = !member.deaf;
        return;
      case 'cut':
        return hub.cut(member.tier);
      case 'mend':
        return hub.mend(member.tier);
      case 'kill':
        this.calls.forget(member);
        this.stoppedAt.delete(member);
        this.fleet.events.drop(({ kind, actor }) => kind === 'request' && actor === member);
        this.fleet.kill(slot);
    }
  }

  /** The faults end, all that is under way arrives, the bound passes: every tier of every node agrees with the source. */
  private async rest(): Promise<void> {
    const { fleet, calls } = this;
    this.note('the faults end');
    this.resting = true;
    for (const [slot, member] of fleet.members.entries()) {
      if (member.paused) this.disturb('continue', slot);
      member.deaf = false;
      fleet.hub.mend(member.tier);
    }
    await this.flow(() => true);
    await this.run(100);
    for (let i = 0; i < 100 && calls.unsettled.length > 0; i++) await this.run(200);
    if (calls.orphans) calls.relay(fleet.members[0]!);
    await this.run(2 * BOUND + 2 * TIMEOUT);
    for (const what of calls.unsettled) this.broken.push(`${what} never ended`);
    if (this.broken.length > 0) return;
    const observer = fleet.observer();
    await this.run(10);
    const items = observer.cache.namespace<string>('items');
    for (const key of KEYS) this.agrees('the shared tier', key, await this.soon(items.get(key)));
    for (const member of fleet.members) await this.restsAt(member);
  }

  private async restsAt({ cache, name }: Member): Promise<void> {
    const { state, pendingInvalidations, l1 } = cache.health();
    if (state !== 'up' || pendingInvalidations > 0 || !l1.serving)
      this.broken.push(`${name} did not recover: ${JSON.stringify(cache.health())}`);
    const items = cache.namespace<string>('items');
    for (const key of KEYS) {
      this.agrees(`L1 of ${name}`, key, items.peek(key));
      this.agrees(name, key, await this.soon(items.get(key)));
      const now = valueOf(key, this.truth.version[key]);
      const answer = await this.soon(items.getOrSet(key, () => now));
      if (answer !== now) this.broken.push(`${name} answers ${String(answer)} at rest, the source ${now}`);
    }
  }

  private agrees(where: string, key: Key, held: string | undefined): void {
    const now = valueOf(key, this.truth.version[key]);
    if (held !== undefined && held !== now)
      this.broken.push(`${where} holds ${held} at rest, the source ${now}`);
  }

  private run(ms: number): Promise<void> {
    return this.fleet.pass(ms, () => this.flow(() => true));
  }

  private async soon<T>(promise: Promise<T>): Promise<T | string> {
    let answer: { value: T } | undefined;
    void promise.then((value) => (answer = { value }));
    for (let i = 0; i < 100 && answer === undefined; i++) await this.run(i === 0 ? 0 : 50);
    return answer === undefined ? 'nothing ever' : answer.value;
  }
}

function isBackground({ exchange }: Event): boolean {
  return exchange !== undefined && BACKGROUND.has(exchange.command);
}
