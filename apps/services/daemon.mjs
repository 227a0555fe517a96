/** Keeps one server program running: ready before it counts, started again on the same port when it dies. */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { launch, serviceUser } from './launch.mjs';
import { signalProcess } from './processes.mjs';

const READY_WITHIN_MS = 30_000;
const STOP_WITHIN_MS = 5_000;

export class Daemon {
  #options;
  #child;
  #exited = Promise.resolve();
  #stopping = false;
  #timer;

  /**
   * @param options `name, command, args, cwd, env, logFile`; `stopSignal`: how to ask it to stop;
   *   `deathSignal`: what it gets when we die; `ready()`: resolves true when it answers;
   *   `restartAfterMs`: undefined means that its death is final; `run`: the run folder; `log(line)`;
   *   `onRestart(pid)`; `signal`: aborts waiting.
   */
  constructor(options) {
    this.#options = options;
  }

  get pid() {
    return this.#child?.pid;
  }

  /** Resolves when the server answers; rejects with the end of its log when it exits before. */
  async start() {
    const { name, command, args, cwd, env, logFile, stopSignal, deathSignal, run } = this.#options;
    const output = openSync(logFile, 'a', 0o600);
    const child = launch(command, args, {
      deathSignal,
      cwd,
      env,
      ...serviceUser(),
      stdio: ['ignore', output, output],
    });
    closeSync(output);
    let gone = false;
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      const settle = (how) => {
        gone = how;
        if (child.pid !== undefined) run.forget(child.pid);
        resolve();
      };
      child.once('error', (error) => settle(error.message));
      child.once('exit', (code, signal) => settle(signal ?? `exit code ${code}`));
    });
    if (child.pid !== undefined) run.record(child.pid, { stage: 'service', signal: stopSignal });
    await this.#untilReady(() => gone);
    child.unref();
    void this.#exited.then(() => this.#onDeath(child, gone));
    this.#options.log?.(`${name}: pid ${child.pid}`);
  }

  async #untilReady(gone) {
    const { name, ready, signal } = this.#options;
    const deadline = Date.now() + READY_WITHIN_MS;
    for (;;) {
      if (gone()) throw new Error(`${name} did not start (${gone()})${this.#logTail()}`);
      if (await ready()) return;
      if (signal?.aborted || this.#stopping || Date.now() > deadline) {
        await this.#end('SIGKILL');
        signal?.throwIfAborted();
        throw new Error(`${name} did not answer within ${READY_WITHIN_MS / 1000} s${this.#logTail()}`);
      }
      await sleep(20);
    }
  }

  #logTail() {
    const text = readFileSync(this.#options.logFile, 'utf8').trim();
    return text ? `:\n${text.slice(-2000)}` : '';
  }

  #onDeath(child, how) {
    const { name, restartAfterMs, log } = this.#options;
    if (this.#stopping || child !== this.#child || restartAfterMs === undefined) return;
    log?.(`${name}: pid ${child.pid} died (${how}), starting it again in ${restartAfterMs / 1000} s`);
    this.#timer = setTimeout(() => void this.#comeBack(), restartAfterMs);
  }

  async #comeBack() {
    const { name, restartAfterMs, log, onRestart } = this.#options;
    if (this.#stopping) return;
    try {
      await this.start();
      onRestart?.(this.pid);
    } catch (error) {
      if (this.#stopping) return;
      log?.(`${name}: ${error.message}; trying again in ${restartAfterMs / 1000} s`);
      this.#timer = setTimeout(() => void this.#comeBack(), restartAfterMs);
    }
  }

  /** Sends a signal and, if it is deadly, lets fate take its course (see restartAfterMs). */
  kill(signal = 'SIGKILL') {
    if (this.pid !== undefined) signalProcess(this.pid, signal);
  }

  /** Stops the server if it runs and starts it at once on the same port. */
  async restart() {
    await this.stop();
    this.#stopping = false;
    await this.start();
    this.#options.onRestart?.(this.pid);
  }

  /** Asks it to stop, insists after 5 s; resolves when it is gone. */
  async stop() {
    this.#stopping = true;
    clearTimeout(this.#timer);
    await this.#end(this.#options.stopSignal);
  }

  async #end(signal) {
    const child = this.#child;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return this.#exited;
    child.ref();
    signalProcess(child.pid, signal);
    // A stopped (SIGSTOP) or busy server does not react to a request.
    const insist = setTimeout(() => signalProcess(child.pid, 'SIGKILL'), STOP_WITHIN_MS);
    await this.#exited;
    clearTimeout(insist);
  }
}
