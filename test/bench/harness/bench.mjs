/** One run: what suites need, and the rows they leave. */
import { pairedRatio, summary } from './statistics.mjs';
import { runProgram } from './program.mjs';

const TURNS = {
  quick: { fast: { rounds: 9, warmMs: 100, turnMs: 8 }, slow: { rounds: 7, warmMs: 100, turnMs: 20 } },
  full: { fast: { rounds: 41, warmMs: 400, turnMs: 15 }, slow: { rounds: 25, warmMs: 600, turnMs: 60 } },
};

export class Bench {
  /** @type {{ suite: string, path: string, contender: string, median: number, min: number, max: number, unit: string }[]} */
  rows = [];
  /** What somebody has promised, beside what was measured. @type {{ path: string, measured: number, target: string, met: boolean }[]} */
  claims = [];
  /** Per path and contender the figure of every round, for ratios within rounds. */
  #rounds = new Map();
  #redis;
  #means;

  /**
   * @param {object} options of options.mjs
   * @param {{ build: string, random: () => number, log(line: string): void, startRedis(): Promise<any> }} means
   */
  constructor(options, means) {
    this.options = options;
    this.context = { build: means.build, quick: options.quick, seed: options.seed };
    this.#means = means;
  }

  get random() {
    return this.#means.random;
  }

  log(line) {
    this.#means.log(line);
  }

  turns(pace = 'fast') {
    return {
      ...TURNS[this.options.quick ? 'quick' : 'full'][pace],
      random: this.random,
      log: (line) => this.log(line),
    };
  }

  /** Of our own: no persistence, on loopback, stopped with the run. */
  async redisUrl() {
    this.#redis ??= await this.#means.startRedis();
    return this.#redis.url;
  }

  get redisVersion() {
    return this.#redis?.version;
  }

  /** The figures of takeTurns. */
  add(figures, { suite, unit }) {
    for (const [path, byContender] of figures)
      for (const [contender, rounds] of byContender) this.row(suite, path, contender, rounds, unit);
  }

  row(suite, path, contender, rounds, unit) {
    this.#rounds.set(`${path}|${contender}`, rounds);
    this.rows.push({ suite, path, contender, ...summary(rounds), unit });
  }

  claim(claim) {
    this.claims.push(claim);
  }

  /** How many times the figure of `a` is that of `b`; undefined when one was not measured. */
  ratio(path, a, b) {
    const [above, below] = [this.rounds(path, a), this.rounds(path, b)];
    return above === undefined || below === undefined ? undefined : pairedRatio(above, below);
  }

  rounds(path, contender) {
    return this.#rounds.get(`${path}|${contender}`);
  }

  contenders(path) {
    return this.rows.filter((row) => row.path === path).map((row) => row.contender);
  }

  program(name, request, how) {
    return runProgram(name, { ...this.context, ...request }, how);
  }

  async end() {
    await this.#redis?.stop();
  }
}
