/** How much the nodes do, and how slowly; faults and mutants may ask for more of what they need. */
import { GROUP_SIZE } from './records.mjs';

export const WORKLOAD = {
  keys: 48,
  /** The first so many keys get half of all reads and writes. */
  hot: 6,
  groups: 48 / GROUP_SIZE,
  writers: 2,
  /** Share of writes through TypeORM. */
  orm: 0.3,
  /** Share of direct writes that fence. */
  fenced: 0.6,
  /** Share of direct writes that pause between their fence and COMMIT: there readers may fill what is about to be old. */
  slowCommit: 0.1,
  /** Share of writes refused by a deferred constraint, besides those that every workload has. */
  refuse: 0,
  /** Share of reads of rows whose tag only the load tells, besides those that every workload has. */
  late: 0,
  /** Share of positions handed to a reader on another node. */
  handedOver: 0.3,
  /** Longest pause between COMMIT and the invalidation, ms; 0: none. */
  gapAfterCommit: 0,
  /** Pause of a reader, ms, from and to. */
  readPause: [1, 3],
  /** Pause of a writer, ms, from and to. */
  writePause: [15, 45],
  /** A loader's pause after its SELECT, ms: from, to; then how often a slow one comes and its most. */
  loaderDelay: [0, 3, 0.05, 30],
  lease: '2s',
};
