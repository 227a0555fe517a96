/** Every guard of the protocol, each as the patch that takes it out. With any one of them off the judge must notice. */
import { reads } from './reads.mjs';
import { stored } from './stored.mjs';
import { known } from './known.mjs';
import { writes } from './writes.mjs';

/**
 * @typedef {object} Mutant
 * @property {string} name
 * @property {string} guard what it takes away, in the words of docs/protocol.md
 * @property {{file: string, find: string, replace: string}[]} patches
 * @property {string} [topology] default standalone
 * @property {string[]} faults rows in which it shows, the likeliest first
 * @property {object} [workload] what makes it show sooner
 * @property {number} [seconds] load of one attempt, default 8
 */

/** @type {Mutant[]} */
export const MUTANTS = [...reads, ...stored, ...known, ...writes];
