/** A healthy bus: what staleness, and how many loads, the protocol itself costs. */
export const none = { name: 'none', oneLoadPerInvalidation: true };

/** Nothing fails, but loads take up to more than the bound: who may join them, and what of them is kept, matters longer. */
export const slowLoads = {
  name: 'slow-loads',
  workload: { loaderDelay: [20, 300, 0.3, 1_200], late: 0.3, hot: 3, writePause: [60, 200] },
};
