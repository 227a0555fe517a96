/** A child process that is spoken to over IPC: a server, or the load. */
import { fork } from 'node:child_process';
import { once } from 'node:events';

const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 10_000;

export class Child {
  #child;
  #ended;
  #name;

  constructor(name, program, { env = {}, execArgv = [] } = {}) {
    this.#name = name;
    this.#child = fork(program, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], env, execArgv });
    this.#ended = once(this.#child, 'exit');
  }

  send(message) {
    this.#child.send(message);
  }

  /** The next message that `wanted` says yes to. Rejects when the process ends before it. */
  async heard(wanted, withinMs = READY_WITHIN_MS) {
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), withinMs);
    const stop = new AbortController();
    try {
      return await Promise.race([this.#next(wanted, stop.signal), this.#death()]);
    } finally {
      clearTimeout(timer);
      stop.abort();
    }
  }

  async ask(message, wanted, withinMs) {
    const answer = this.heard(wanted, withinMs);
    this.send(message);
    return answer;
  }

  /** SIGTERM, and what is needed after that; resolves when it is gone. */
  async stop() {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGTERM');
    const insist = setTimeout(() => this.#child.kill('SIGKILL'), STOP_WITHIN_MS);
    await this.#ended;
    clearTimeout(insist);
  }

  async #next(wanted, signal) {
    for (;;) {
      const [message] = await once(this.#child, 'message', { signal });
      if (wanted(message)) return message;
    }
  }

  async #death() {
    const [code, signal] = await this.#ended;
    throw new Error(`${this.#name} ended with ${signal ?? code}`);
  }
}
