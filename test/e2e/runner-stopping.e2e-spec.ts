import { closeRuns, leftAfterAll, npmStart, startRunner } from '../support/services-runner.js';
import { describeWithServices } from '../support/services.js';

const TWO_READY = /^ready node=2 url=/m;

describeWithServices('stopping the demo', () => {
  afterEach(closeRuns, 60_000);

  it('flushes the nodes before the services go, and leaves nothing, after TERM to npm alone', async () => {
    const npm = await npmStart(['--nodes', '2']);
    await npm.until(TWO_READY);
    npm.child.kill('SIGTERM');
    expect(await leftAfterAll(npm)).toEqual([]);
    for (const index of [1, 2]) {
      expect(npm.lines).toContain(`[${index}] flushed on=SIGTERM database=true redis=true`);
    }
  }, 90_000);

  it('flushes and leaves nothing when npm is killed, which forwards nothing', async () => {
    const npm = await npmStart(['--nodes', '2']);
    await npm.until(TWO_READY);
    npm.child.kill('SIGKILL');
    expect(await leftAfterAll(npm)).toEqual([]);
    expect(npm.lines).toContain('[2] flushed on=SIGTERM database=true redis=true');
  }, 90_000);

  it('exits 0 on Ctrl-C, and a second one changes nothing', async () => {
    const runner = await startRunner(['--nodes', '2']);
    await runner.until(TWO_READY);
    runner.child.kill('SIGINT');
    await runner.until(/^stopping: SIGINT$/m);
    runner.child.kill('SIGINT');
    runner.child.kill('SIGTERM');
    expect(await runner.exited).toBe(0);
    expect(runner.lines.filter((line) => line.includes('flushed'))).toHaveLength(2);
    expect(runner.output).not.toContain('redis=false');
    expect(await leftAfterAll(runner)).toEqual([]);
  }, 90_000);

  it('leaves nothing after kill -9 of the runner', async () => {
    const runner = await startRunner(['--nodes', '2']);
    await runner.until(TWO_READY);
    expect(runner.pids.length).toBeGreaterThanOrEqual(4); // so that the next line looks at something
    runner.child.kill('SIGKILL');
    expect(await leftAfterAll(runner)).toEqual([]);
  }, 90_000);

  it('leaves nothing after kill -9 of the runner even if a node ignores TERM and the loss of its parent', async () => {
    const runner = await startRunner([], { env: { FIXTURE_FAULT: 'deaf' } });
    await runner.until(/^ready node=1 url=/m);
    runner.child.kill('SIGKILL');
    expect(await leftAfterAll(runner)).toEqual([]);
  }, 90_000);

  it('exits 0 and leaves nothing when stopped while it is still starting', async () => {
    const runner = await startRunner();
    await runner.until(/^(PostgreSQL|Redis) on 127\.0\.0\.1:\d+: pid \d+$/m);
    runner.child.kill('SIGTERM');
    expect(await runner.exited).toBe(0);
    expect(await leftAfterAll(runner)).toEqual([]);
  }, 90_000);
});
