/** How an interval is put on the wall clock, the same on every node of the fleet. */
export interface IntervalSchedule {
  /** Six-field cron expression, UTC. */
  expression: string;
  /** The expression ticks more often than the interval: only the first tick of a slot counts. */
  gated: boolean;
}

/**
 * Cron can say "every 5 minutes" but not "every 7" or "every 90 seconds" (a step of 7 minutes starts anew each hour). Those tick at
 * the largest step that divides both and are gated by `slotOf`.
 */
export function scheduleOf(seconds: number): IntervalSchedule {
  if (seconds < 60 && 60 % seconds === 0) return exact(`*/${seconds} * * * * *`);
  if (seconds % 60 === 0) {
    const minutes = seconds / 60;
    if (minutes < 60 && 60 % minutes === 0) return exact(`0 */${minutes} * * * *`);
    if (minutes % 60 === 0) {
      const hours = minutes / 60;
      if (24 % hours === 0) return exact(`0 0 ${hours === 24 ? '0' : `*/${hours}`} * * *`);
      return { expression: '0 0 * * * *', gated: true };
    }
    const step = gcd(minutes, 60);
    return { expression: `0 */${step} * * * *`, gated: true };
  }
  return { expression: `*/${gcd(seconds, 60)} * * * * *`, gated: true };
}

/** Number of the interval that the moment (ms since the epoch) belongs to. */
export function slotOf(nowMs: number, seconds: number): number {
  return Math.floor(nowMs / (seconds * 1_000));
}

function exact(expression: string): IntervalSchedule {
  return { expression, gated: false };
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
