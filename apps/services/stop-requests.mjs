/** Everything that means "please stop": Ctrl-C, TERM, a closed terminal, the death of whoever started us. */
import { watchParents } from './parents.mjs';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const LOOK_EVERY_MS = 250;

/** The reason of an abort that was asked for. */
export class StopRequested extends Error {
  name = 'StopRequested';
}

/**
 * Listens until dispose(). `signal` aborts at the first request; a second one changes nothing. Keeps the
 * process alive meanwhile.
 */
export function listenForStop() {
  const controller = new AbortController();
  const request = (why) => {
    if (!controller.signal.aborted) controller.abort(new StopRequested(why));
  };
  const parentGone = watchParents();
  const timer = setInterval(() => {
    if (parentGone()) request('the process that started this one is gone');
  }, LOOK_EVERY_MS);
  const onSignal = (name) => request(name);
  for (const name of SIGNALS) process.on(name, onSignal);
  // With the terminal or npm gone, writing fails; stopping in order matters more than what would be printed.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  return {
    signal: controller.signal,
    /** Resolves, with the reason, when a stop is requested. */
    requested: new Promise((resolve) => {
      controller.signal.addEventListener('abort', () => resolve(controller.signal.reason.message));
    }),
    dispose() {
      clearInterval(timer);
      for (const name of SIGNALS) process.off(name, onSignal);
    },
  };
}
