/** The application processes: started, told, killed and started again. */
import { join } from 'node:path';
import { launch } from '../../apps/services/launch.mjs';

const READY_WITHIN_MS = 20_000;
const ANSWER_WITHIN_MS = 60_000;

export class Fleet {
  /** Record files of every process that ever ran, with its node and whether it was killed. */
  processes = [];
  failures = [];
  /** What each node said of itself when it was last asked. */
  newestHealth = [];
  /** Called with each position that a writer hands over. */
  onPosition = () => undefined;
  #options;
  #nodes;

  /** @param options `program, folder, count, configOf(node, incarnation)` */
  constructor(options) {
    this.#options = options;
    this.#nodes = Array.from({ length: options.count }, (_, node) => ({
      node,
      incarnation: -1,
      live: false,
    }));
  }

  get count() {
    return this.#nodes.length;
  }

  get nodes() {
    return this.#nodes;
  }

  async start() {
    await Promise.all(this.#nodes.map(({ node }) => this.spawn(node)));
  }

  async spawn(index) {
    const { program, folder, configOf } = this.#options;
    const slot = (this.#nodes[index] ??= { node: index, incarnation: -1, live: false });
    slot.incarnation += 1;
    const records = join(folder, `node-${index}-${slot.incarnation}.rec`);
    const config = {
      ...configOf(index, slot.incarnation),
      node: index,
      incarnation: slot.incarnation,
      records,
    };
    const child = launch(process.execPath, ['--enable-source-maps', program, JSON.stringify(config)], {
      deathSignal: 'KILL',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const life = { node: index, incarnation: slot.incarnation, records, killed: false };
    this.processes.push(life);
    Object.assign(slot, {
      child,
      live: true,
      ready: false,
      life,
      waiting: new Map(),
      nextId: 0,
      stats: undefined,
    });
    let stderr = '';
    child.stderr.on('data', (data) => (stderr = (stderr + data).slice(-4000)));
    child.on('error', () => undefined); // sending to a dead process; its exit says so
    slot.exited = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
    void slot.exited.then(({ code, signal }) => {
      if (slot.child !== child) return;
      slot.live = false;
      life.killed ||= signal === 'SIGKILL';
      for (const { reject } of slot.waiting.values()) reject(new Error('the node has ended'));
      if (code) this.failures.push({ what: 'node', message: `exit ${code}: ${stderr}`, node: index, at: 0 });
    });
    await new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`node ${index} is not ready: ${stderr}`)),
        READY_WITHIN_MS,
      );
      child.on('message', (message) => {
        if (message.kind === 'ready') {
          clearTimeout(timer);
          slot.ready = true;
          resolve();
        } else this.#heard(slot, message);
      });
      void slot.exited.then(() => reject(new Error(`node ${index} ended before it was ready: ${stderr}`)));
    });
  }

  #heard(slot, message) {
    if (message.kind === 'answer') {
      const waiting = slot.waiting.get(message.id);
      slot.waiting.delete(message.id);
      if (message.error === undefined) waiting?.resolve(message.answer);
      else waiting?.reject(new Error(message.error));
    } else if (message.kind === 'failure') this.failures.push({ ...message, node: slot.node });
    else if (message.kind === 'position') this.onPosition(slot.node, message);
  }

  /** Asks a node to do something; rejects when it has ended or does not answer in time. */
  ask(index, command, parameters = {}, withinMs = ANSWER_WITHIN_MS) {
    const slot = this.#nodes[index];
    if (!slot?.live) return Promise.reject(new Error('the node has ended'));
    const id = slot.nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        slot.waiting.delete(id);
        reject(new Error(`node ${index} did not answer ${command} within ${withinMs} ms`));
      }, withinMs);
      const settle = (then) => (value) => (clearTimeout(timer), then(value));
      slot.waiting.set(id, { resolve: settle(resolve), reject: settle(reject) });
      slot.child.send({ id, command, ...parameters }, (error) => error && reject(error));
    });
  }

  /** Tells without waiting; a node that has ended does not hear it. */
  tell(index, command, parameters) {
    this.ask(index, command, parameters).catch(() => undefined);
  }

  all(command, parameters, withinMs) {
    return Promise.all(
      this.#nodes.filter(({ live }) => live).map(({ node }) => this.ask(node, command, parameters, withinMs)),
    );
  }

  signal(index, name) {
    this.#nodes[index].child.kill(name);
  }

  /** Resolves when the node has ended by itself (it was told to die), or makes it end. */
  async untilDead(index, withinMs) {
    const slot = this.#nodes[index];
    const timer = setTimeout(() => slot.child.kill('SIGKILL'), withinMs);
    await slot.exited;
    clearTimeout(timer);
    slot.life.killed = true;
  }

  /** Is every node up, with its L1 serving? Keeps the newest figures of each. */
  async healthy() {
    try {
      const all = await this.all('health', {}, 1_000);
      this.newestHealth = all.map(({ stats: _stats, ...health }) => health);
      this.#nodes.filter(({ live }) => live).forEach((slot, i) => (slot.life.stats = all[i]?.stats));
      return (
        this.#nodes.every(({ live }) => live) &&
        all.every(
          ({ state, l1, pendingInvalidations, quarantined = [] }) =>
            state === 'up' && l1.serving && pendingInvalidations === 0 && quarantined.length === 0,
        )
      );
    } catch {
      return false; // stopped, blocked or gone: it will be asked again
    }
  }

  /** Ends all, nicely if they can. */
  async close() {
    await Promise.all(
      this.#nodes
        .filter(({ live }) => live)
        .map(async ({ node, child, exited }) => {
          const insist = setTimeout(() => child.kill('SIGKILL'), 5_000);
          this.tell(node, 'close');
          await exited;
          clearTimeout(insist);
        }),
    );
  }
}
