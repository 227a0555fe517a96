import type { SchedulerRegistry } from '@nestjs/schedule';
import { CronJob } from 'cron';
import { InvalidOptionsError } from '#tiered-cache';
import { scheduleOf, slotOf } from './interval.js';

/** A job's clock tolerance: timers may fire a few ms before their second. */
const EARLY_MS = 250;

/**
 * The cron jobs of warming, in the application's SchedulerRegistry. They are made here and not by a second
 * ScheduleModule, whose explorer would find the host's own `@Cron` methods again and run each twice.
 */
export class WarmingJobs {
  readonly #jobs = new Map<string, { job: CronJob; intervalSeconds: number | null }>();

  constructor(
    private readonly registry: SchedulerRegistry,
    private readonly timeZone?: string,
  ) {}

  /**
   * Registers and starts a job. A number is an interval in seconds, on the wall clock (all nodes tick together). `tick`
   * is handed the time until the next moment, ms.
   * @throws InvalidOptionsError for a cron expression that is none, or a name that is taken.
   */
  add(name: string, when: number | string, tick: (gapMs: number) => Promise<void>): void {
    if (this.registry.doesExist('cron', name)) {
      throw new InvalidOptionsError('warming.jobName', name, 'a name that no other cron job has');
    }
    const interval = typeof when === 'number' ? when : null;
    const schedule = interval === null ? null : scheduleOf(interval);
    let lastSlot = interval === null ? 0 : slotOf(Date.now(), interval);
    const onTick = async () => {
      if (interval !== null && schedule?.gated) {
        const slot = slotOf(Date.now() + EARLY_MS, interval);
        if (slot === lastSlot) return;
        lastSlot = slot;
      }
      await tick(interval === null ? job.nextDate().toMillis() - Date.now() : interval * 1_000);
    };
    const job: CronJob = this.#create(
      name,
      schedule?.expression ?? (when as string),
      interval !== null,
      onTick,
    );
    this.registry.addCronJob(name, job);
    this.#jobs.set(name, { job, intervalSeconds: schedule?.gated ? interval : null });
    job.start();
  }

  /** Wall clock ms of the next run; null when the job is unknown or stopped (by us, or through the registry). */
  nextRun(name: string): number | null {
    const entry = this.#jobs.get(name);
    if (!entry?.job.isActive) return null;
    if (entry.intervalSeconds !== null) {
      return (slotOf(Date.now(), entry.intervalSeconds) + 1) * entry.intervalSeconds * 1_000;
    }
    return entry.job.nextDate().toMillis();
  }

  remove(name: string): void {
    const entry = this.#jobs.get(name);
    if (!entry) return;
    this.#jobs.delete(name);
    void entry.job.stop();
    // A host's ScheduleModule empties the registry at shutdown, perhaps before us.
    if (this.registry.doesExist('cron', name) && this.registry.getCronJob(name) === entry.job) {
      this.registry.deleteCronJob(name);
    }
  }

  clear(): void {
    for (const name of this.#jobs.keys()) this.remove(name);
  }

  #create(name: string, expression: string, utc: boolean, onTick: () => Promise<void>): CronJob {
    const common = { cronTime: expression, onTick, start: false, name, waitForCompletion: true };
    // The job must not keep a process alive that has nothing else to do.
    const zone = utc ? { timeZone: 'UTC' } : this.timeZone ? { timeZone: this.timeZone } : {};
    try {
      return CronJob.from({ ...common, ...zone, unrefTimeout: true });
    } catch (error) {
      throw new InvalidOptionsError(
        'warming.cron',
        expression,
        `a cron expression (${(error as Error).message})`,
      );
    }
  }
}
