/** The real traces: `<folder>/<trace>.keys.gz`, one integer per line. They are other people's, and not in this repository. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

/**
 * Capacities, and published or independently computed hit ratios there (per cent) to check the simulators by:
 * LRU, SIEVE, S3-FIFO, W-TinyLFU with hill climbing, ARC, OPT.
 */
export const POINTS = {
  oltp: {
    250: [16.47, 11.81, 21.64, 24.01, 21.23, 38.43],
    1000: [32.83, 32.56, 40.81, 39.6, 38.95, 53.61],
    2000: [42.47, 41.19, 46.96, 46.24, 46.08, 60.4],
  },
  multi1: {
    250: [42.86, 45.1, 48.08, 47.88, 48.18, 52.48],
    500: [46.51, 49.27, 48.88, 54.21, 49.39, 58.78],
    1000: [48.23, 49.74, 57.95, 68.28, 49.75, 71.4],
  },
  multi3: {
    500: [32.65, 33.14, 37.5, 42.02, 36.35, 48.88],
    1000: [37.7, 39.16, 45.36, 50.81, 44.41, 56.28],
    2000: [44.59, 46.69, 55.25, 60.42, 46.72, 68.78],
  },
  loop: {
    100: [0, 0, 0, 6.37, 0, 9.79],
    250: [0, 0, 0, 22.18, 0, 24.63],
    500: [0, 0, 0, 48.66, 0, 49.36],
  },
  'two-pools': {
    100: [21.95, 47.89, 44.59, 46.26, 46.88, 50.64],
    250: [41.71, 50.62, 50.62, 50.65, 50.63, 57.91],
    450: [50.27, 51.6, 51.64, 51.71, 51.62, 62.04],
  },
  glimpse: {
    500: [0.95, 1.38, 16.13, 32.73, 1.38, 34.26],
    1000: [11.21, 31.34, 35.05, 50.17, 21.31, 53.13],
    2000: [57.41, 57.41, 52.14, 57.96, 57.41, 57.96],
  },
  web07: {
    300: [41.9, 45.02, 46.66, 45.79, 44.61, 55.88],
    1000: [50.41, 53.25, 54.08, 49.48, 53.04, 63.58],
    3000: [58.54, 60.55, 60.41, 57.44, 60.46, 70.28],
  },
  'orm-busy': {
    300: [61.8, 58.84, 62.54, 61.33, 64.77, 73.02],
    1250: [79.44, 77.2, 79.08, 77.64, 79.49, 85.04],
    5000: [85.32, 84.97, 86.59, 85.54, 85.47, 91.31],
  },
  corda: {
    256: [33.33, 0.19, 33.33, 29.38, 33.3, 33.33],
    512: [33.33, 0.38, 33.33, 30.59, 33.3, 33.33],
    1024: [33.33, 0.75, 33.33, 28.83, 33.3, 33.33],
  },
  scarab: {
    5000: [41.2, 45.9, 47.72, 47.14, 46.13, 59.72],
    25000: [60.13, 60.56, 62.38, 59.49, 61.99, 74.79],
    100000: [75.91, 74.8, 75.61, 71.34, NaN, 79.25],
  },
};
export const PUBLISHED = ['LRU', 'SIEVE', 'S3-FIFO', 'W-TinyLFU', 'ARC', 'OPT'];

/** @returns the keys, renumbered from 0, or undefined when the folder has no such trace */
export function readTrace(folder, name) {
  const path = join(folder, `${name}.keys.gz`);
  if (!existsSync(path)) return undefined;
  const text = gunzipSync(readFileSync(path));
  const keys = [];
  let number = -1;
  for (const byte of text) {
    if (byte >= 48 && byte <= 57) number = Math.max(number, 0) * 10 + byte - 48;
    else if (number >= 0) {
      keys.push(number);
      number = -1;
    }
  }
  if (number >= 0) keys.push(number);
  return Int32Array.from(keys);
}
