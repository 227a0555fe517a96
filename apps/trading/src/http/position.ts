/**
 * Answered by a write: where it stands in the cache's log. Sent back with a read, on any node: not older than that.
 * Opaque: what the cache does not know as a position of its own costs a load, and is no error.
 */
export const POSITION_HEADER = 'x-strata-position';
