/**
 * Rounds of turns. Every contender runs in a process of its own, and they take short turns, in another order each
 * round, while the others wait. So each has type feedback, inlining, heap and collector to itself (in one process the
 * fifth contender finds every promise hook and call site megamorphic, and the floor would pay for its guests), and yet
 * all of them see the same machine within a fraction of a second: what disturbs a round disturbs all, and ratios are
 * taken within rounds.
 */
import { fork } from 'node:child_process';
import { shuffled } from './random.mjs';
import { summary } from './statistics.mjs';

const PROGRAM = new URL('contender.mjs', import.meta.url);
const ANSWER_WITHIN_MS = 120_000;

/** One contender's process. */
class Contender {
  #child;
  #waiting = new Map();
  #sequence = 0;

  constructor(name, execArgv) {
    this.name = name;
    this.#child = fork(PROGRAM, [], { execArgv, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    this.#child.on('message', ({ id, answer, error }) => {
      const { resolve, reject } = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) resolve(answer);
      else reject(new Error(`${this.name}: ${error}`));
    });
    this.#child.on('exit', (code, signal) => {
      for (const { reject } of this.#waiting.values())
        reject(new Error(`${this.name}: ended with ${signal ?? code}`));
    });
  }

  async ask(command, request = {}) {
    const id = ++this.#sequence;
    let timer;
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting.set(id, { resolve, reject });
        timer = setTimeout(
          () => reject(new Error(`${this.name}: no answer to ${command} ${request.path ?? ''}`)),
          ANSWER_WITHIN_MS,
        );
        this.#child.send({ id, command, ...request });
      });
    } finally {
      clearTimeout(timer);
    }
  }

  async end() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => void this.#child.once('exit', resolve));
    await this.ask('close').catch(() => undefined); // it is ended all the same
    this.#child.disconnect();
    const insist = setTimeout(() => this.#child.kill('SIGKILL'), 2_000);
    await ended;
    clearTimeout(insist);
  }
}

/**
 * Runs contenders against each other.
 *
 * @param {object} run `{ random, rounds, warmMs, turnMs, log }`
 * @param {Record<string, { module: string, context?: object }>} entries by name of the contender
 * @param {{ execArgv?: string[], paths?: string[] }} [how] `paths`: only these
 * @returns {Promise<Map<string, Map<string, number[]>>>} per path and contender one figure per round
 */
export async function takeTurns(run, entries, { execArgv = [], paths: only } = {}) {
  const contenders = [];
  const figures = new Map();
  try {
    for (const [name, { module, context }] of Object.entries(entries)) {
      const contender = new Contender(name, execArgv);
      contenders.push(contender);
      const url = new URL(`../contenders/${module}.mjs`, import.meta.url).href;
      contender.paths = await contender.ask('setup', { module: url, context: { name, ...context } });
    }
    const paths = new Set(contenders.flatMap((contender) => contender.paths));
    for (const path of paths) {
      if (only !== undefined && !only.includes(path)) continue;
      const taking = contenders.filter((contender) => contender.paths.includes(path));
      const byContender = new Map(taking.map(({ name }) => [name, []]));
      figures.set(path, byContender);
      const { warmMs, turnMs } = run;
      for (const contender of shuffled(taking, run.random))
        await contender.ask('warm', { path, warmMs, turnMs });
      for (let round = 0; round < run.rounds; round++)
        for (const contender of shuffled(taking, run.random))
          byContender.get(contender.name).push(await contender.ask('turn', { path }));
      run.log(
        `  ${path}: ${[...byContender].map(([name, list]) => `${name} ${short(summary(list).median)}`).join(', ')}`,
      );
    }
  } finally {
    await Promise.all(contenders.map((contender) => contender.end()));
  }
  return figures;
}

function short(figure) {
  return figure >= 100 ? Math.round(figure) : figure.toPrecision(3);
}
