/** What a fault does inside a node. */

/** The event loop stands still. */
export function blockLoop(ms) {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

const realNow = Date.now;
let shift = 0;

/** The host's wall clock jumps, by so much against the true one; the monotonic clock and PostgreSQL do not notice. */
export function shiftWallClock(ms) {
  shift = ms;
  Date.now = () => realNow() + shift;
}
