/** A healthy bus: what staleness, and how many loads, the protocol itself costs. */
export const none = { name: 'none', oneLoadPerInvalidation: true };
