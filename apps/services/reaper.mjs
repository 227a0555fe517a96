/**
 * `node reaper.mjs <folder>`: waits until the process at the other end of stdin is gone, however it went, then
 * ends what it has left running and removes its folders. A signal to the terminal must not stop it early.
 */
import { reap } from './run-folder.mjs';

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
process.stdin.resume();
process.stdin.on('error', () => {});
process.stdin.on('close', () => void reap(process.argv[2]));
