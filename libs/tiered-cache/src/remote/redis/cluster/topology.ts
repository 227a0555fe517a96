import { SLOTS } from './key-slot.js';

/** `host:port`, as it is reached from here. */
export type Address = string;

/** Which master serves which slot, as one node sees it. */
export interface Topology {
  /** By slot; undefined where nobody does. */
  readonly owners: readonly (Address | undefined)[];
  /** Those that serve slots, sorted. */
  readonly masters: readonly Address[];
  /** Whether every slot is served. */
  readonly whole: boolean;
}

/** How an announced address is reached from here. */
export type AddressMap = (announced: Address) => Address;

/**
 * Reads CLUSTER SLOTS: `[first, last, [host, port, id], ...replicas][]`. A node without a host is to be reached where the
 * question was answered (`asked`); '?' stands for one that announces no host at all, and cannot be reached.
 */
export function readSlots(answer: unknown, asked: Address, map: AddressMap): Topology {
  const owners: (Address | undefined)[] = Array.from({ length: SLOTS });
  for (const range of answer as [first: number, last: number, ...nodes: [string | null, number][]][]) {
    const [first, last, master] = range;
    if (!master || master[0] === '?') continue;
    const address = reached(master[0], master[1], asked, map);
    for (let slot = first; slot <= last; slot++) owners[slot] = address;
  }
  const masters = new Set<Address>();
  let whole = true;
  for (const owner of owners) {
    if (owner === undefined) whole = false;
    else masters.add(owner);
  }
  return { owners, masters: [...masters].sort(), whole };
}

export type Redirection = { kind: 'MOVED' | 'ASK'; slot: number; to: Address };

/** Reads `MOVED 3999 host:port` and `ASK 3999 host:port`; null for any other message. */
export function readRedirection(message: string, asked: Address, map: AddressMap): Redirection | null {
  const [, kind, slot, host, port] = /^(MOVED|ASK) (\d+) (.*):(\d+)$/.exec(message) ?? [];
  if (kind === undefined) return null;
  return {
    kind: kind as 'MOVED' | 'ASK',
    slot: Number(slot),
    to: reached(host!, Number(port), asked, map),
  };
}

function reached(host: string | null, port: number, asked: Address, map: AddressMap): Address {
  return map(`${host === null || host === '' ? splitAddress(asked).host : host}:${port}`);
}

/** The port is after the last colon: IPv6 addresses have others. */
export function splitAddress(address: Address): { host: string; port: number } {
  const colon = address.lastIndexOf(':');
  return {
    host: address.slice(0, colon).replace(/^\[(.*)\]$/, '$1'),
    port: Number(address.slice(colon + 1)),
  };
}
