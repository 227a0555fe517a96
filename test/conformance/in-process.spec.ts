import { VirtualClock } from '../support/virtual-clock.js';
import { InProcessHub } from '../../libs/tiered-cache/src/remote/in-process/in-process-hub.js';
import { createInProcessTier } from '../../libs/tiered-cache/src/remote/in-process/in-process-tier.js';
import { describeRemoteTier } from './remote-tier.conformance.js';

describeRemoteTier('in-process', () => {
  const clock = new VirtualClock();
  const hub = new InProcessHub({ clock });
  let prefixes = 0;
  return {
    create: (prefix) => createInProcessTier(hub, { prefix }),
    prefix: () => `test-${++prefixes}`,
    pass: (ms) => Promise.resolve(clock.advance(ms)),
    trimLog: (_prefix, keep) => Promise.resolve(hub.trimLog(keep)),
    flush: () => Promise.resolve(hub.flush()),
    punchLog: (_prefix, back) => Promise.resolve(hub.punchLog(back)),
    restart: () => Promise.resolve(hub.restart()),
  };
});
