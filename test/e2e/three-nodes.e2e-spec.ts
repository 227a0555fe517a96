/**
 * `npm start -- --nodes 3` as a user sees it: three processes over one PostgreSQL and one Redis of their own. One run
 * serves all tests, in order; the last one kills its Redis.
 */
import { Agent, request as httpRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeWithServices } from '../support/services.js';
import { closeRuns, type Running, startRunner } from '../support/services-runner.js';
import { within } from './trading-fleet.js';

interface Answer {
  status: number;
  body: any;
  ms: number;
}

const BOUND_MS = 500;

describeWithServices('three nodes', () => {
  let demo: Running;
  let urls: string[];
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });

  function call(node: number, path: string, init: { method?: string; body?: unknown } = {}): Promise<Answer> {
    const startedAt = performance.now();
    return new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json' };
      const sent = httpRequest(
        urls[node - 1] + path,
        { agent, method: init.method ?? 'GET', headers, timeout: 10_000 },
        (answer) => {
          let text = '';
          answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
          answer.on('end', () =>
            resolve({
              status: answer.statusCode!,
              body: text === '' ? undefined : JSON.parse(text),
              ms: performance.now() - startedAt,
            }),
          );
        },
      );
      sent.on('error', reject).on('timeout', () => sent.destroy(new Error('no answer within 10 s')));
      sent.end(init.body === undefined ? undefined : JSON.stringify(init.body));
    });
  }

  async function sourceLoads(): Promise<number> {
    const all = await Promise.all([1, 2, 3].map((node) => call(node, '/admin/cache/metrics')));
    return all.reduce((sum, { body }) => sum + body.sourceLoads, 0);
  }

  beforeAll(async () => {
    demo = await startRunner(['--nodes', '3'], {
      env: { STRATA_DEMO_MAIN: '', CACHE_WARMING_ENABLED: '0', LOG_LEVEL: 'warn' },
    });
    await demo.until(/^ready node=3 .*$/m, 180_000);
    urls = [...demo.output.matchAll(/^ready node=\d+ url=(\S+)$/gm)].map((match) => match[1]!);
    expect(urls).toHaveLength(3);
  }, 200_000);

  afterAll(async () => {
    agent.destroy();
    await closeRuns();
  }, 60_000);

  it('loads a cold key once for 1,000 concurrent readers', async () => {
    const before = await sourceLoads();
    const answers = await Promise.all(
      Array.from({ length: 1_000 }, (_, i) => call(1 + (i % 3), '/instruments/MSFT')),
    );
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    expect((await sourceLoads()) - before).toBe(1);
  });

  it('answers a second read, however the symbol is spelled, without a load', async () => {
    const first = await call(1, '/instruments/aapl');
    const before = await sourceLoads();
    for (const spelling of ['aapl', 'AAPL', 'Aapl'])
      expect((await call(1, `/instruments/${spelling}`)).body).toEqual(first.body);
    expect(await sourceLoads()).toBe(before);
  });

  it('shows a write on node 1 to nodes 2 and 3 within 500 ms, 200 times of 200', async () => {
    const late: { attempt: number; node: number; ms: number }[] = [];
    const staleMs: number[] = [];
    for (let attempt = 1; attempt <= 200; attempt++) {
      const name = `Apple, attempt ${attempt}`;
      // Every node has it in L1 before the write.
      await Promise.all([1, 2, 3].map((node) => call(node, '/instruments/AAPL')));
      const written = await call(1, '/instruments/AAPL', { method: 'PATCH', body: { name } });
      expect(written.status).toBe(200);
      const writtenAt = performance.now();
      await Promise.all(
        [2, 3].map(async (node) => {
          while ((await call(node, '/instruments/AAPL')).body.name !== name) {
            const ms = performance.now() - writtenAt;
            if (ms > BOUND_MS) {
              late.push({ attempt, node, ms });
              return;
            }
            await sleep(1);
          }
          staleMs.push(performance.now() - writtenAt);
        }),
      );
    }
    expect(late).toEqual([]);
    expect(staleMs).toHaveLength(400);
  }, 120_000);

  it('fails no request when Redis is killed, says degraded, and recovers by itself', async () => {
    const pid = Number(/^redis .*pid (\d+)\)$/m.exec(demo.output)?.[1]);
    expect(pid).toBeGreaterThan(1);
    const wrong: Answer[] = [];
    let requests = 0;
    let running = true;
    const load = Array.from({ length: 12 }, async (_, i) => {
      const paths = ['/instruments/AAPL', '/instruments/GOOG', '/accounts/1', '/prices/AMZN', '/instruments'];
      for (let n = i; running; n++) {
        const answer = await call(1 + (n % 3), paths[n % paths.length]!);
        requests++;
        if (answer.status !== 200) wrong.push(answer);
        await sleep(5);
      }
    });
    const states = async () =>
      Promise.all([1, 2, 3].map(async (node) => (await call(node, '/health')).body.status));
    const until = async (wanted: string, withinMs: number) => {
      const deadline = performance.now() + withinMs;
      let seen: string[] = [];
      while (performance.now() < deadline) {
        seen = await states();
        if (seen.every((state) => state === wanted)) return seen;
        await sleep(50);
      }
      return seen;
    };
    await sleep(500); // some load before the fault, so that connections and L1 are in use
    process.kill(pid, 'SIGKILL');
    expect(await until('degraded', 4_000)).toEqual(['degraded', 'degraded', 'degraded']);
    const degraded = await call(2, '/health');
    expect(degraded.status).toBe(200);
    // A write while Redis is away is a write like any other: seen at once where it was made, elsewhere within the bound.
    expect(
      (await call(1, '/instruments/GOOG', { method: 'PATCH', body: { name: 'Written without Redis' } }))
        .status,
    ).toBe(200);
    expect((await call(1, '/instruments/GOOG')).body.name).toBe('Written without Redis');
    for (const node of [2, 3])
      expect(
        await within(BOUND_MS, async () => {
          const { body } = await call(node, '/instruments/GOOG');
          return body.name === 'Written without Redis';
        }),
      ).toBe(true);
    expect(await until('up', 20_000)).toEqual(['up', 'up', 'up']);
    const names = await Promise.all(
      [1, 2, 3].map(async (node) => (await call(node, '/instruments/GOOG')).body.name),
    );
    expect(new Set(names)).toEqual(new Set(['Written without Redis']));
    await sleep(500);
    running = false;
    await Promise.all(load);
    expect(wrong).toEqual([]);
    expect(requests).toBeGreaterThan(500);
    // Back to normal: a cached read is a hit again on every node, and a write on one is seen by the others.
    await Promise.all([1, 2, 3].map((node) => call(node, '/instruments/NVDA')));
    const before = await sourceLoads();
    await Promise.all([1, 2, 3].map((node) => call(node, '/instruments/NVDA')));
    expect(await sourceLoads()).toBe(before);
  }, 90_000);
});
