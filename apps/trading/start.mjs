/** `npm start`: builds if needed, finds or provides the services, runs the demo's nodes. See runner/demo.mjs. */
import { runDemo } from './runner/demo.mjs';

// STRATA_DEMO_MAIN is for the tests of the runner: another program than the built demo.
process.exitCode = await runDemo({ main: process.env.STRATA_DEMO_MAIN });
