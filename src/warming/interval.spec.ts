import { CronTime } from 'cron';
import { scheduleOf, slotOf } from './interval.js';

/** Moments (s since start) at which the schedule runs in a day, gate applied. */
function runsOf(seconds: number, count: number): number[] {
  const { expression, gated } = scheduleOf(seconds);
  const time = new CronTime(expression, 'UTC');
  const runs: number[] = [];
  let at = time.sendAt();
  let slot = -1;
  for (let tick = 0; runs.length < count && tick < 10_000; tick += 1) {
    const own = slotOf(at.toMillis(), seconds);
    if (!gated || own !== slot) runs.push(at.toMillis() / 1_000);
    slot = own;
    at = time.getNextDateFrom(at.toJSDate(), 'UTC');
  }
  return runs;
}

describe('an interval on the wall clock', () => {
  it.each([
    [5, '*/5 * * * * *'],
    [60, '0 */1 * * * *'],
    [300, '0 */5 * * * *'],
    [3_600, '0 0 */1 * * *'],
    [86_400, '0 0 0 * * *'],
  ])('%i s is one cron expression', (seconds, expression) => {
    expect(scheduleOf(seconds)).toEqual({ expression, gated: false });
  });

  it.each([1, 7, 30, 45, 90, 300, 420, 1_000, 5_400])(
    '%i s: runs are that far apart, over the hour too',
    (seconds) => {
      const runs = runsOf(seconds, 12).slice(1);
      const gaps = runs.slice(1).map((at, index) => at - (runs[index] ?? 0));
      expect(gaps.length).toBeGreaterThan(8);
      // A gated job runs at the first tick of each slot: at most one tick off, never drifting.
      const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
      expect(Math.abs(mean - seconds)).toBeLessThanOrEqual(seconds * 0.1);
    },
  );
});
