import type { GetOrSetOptions, Loader, RememberedRead } from '#tiered-cache';

/** What a call of a cached method needs, made once per list of primitive arguments: a hit makes no closure. */
export interface RememberedCall extends RememberedRead {
  id: string;
  /** The id as the engine keeps it, normalised: what tells one load from another. */
  key: string;
  /** Null when the class has several instances: then only id and key are remembered. */
  self: object | null;
  loader: Loader<unknown>;
  options: GetOrSetOptions | undefined;
}

interface Branch {
  call: RememberedCall | undefined;
  next: Map<unknown, Branch> | undefined;
}

/** Above it everything is forgotten and memory begins anew. */
const MAX_CALLS = 10_000;
/** More arguments, and longer ones, are not held on to. */
const MAX_ARGUMENTS = 4;
const MAX_LENGTH = 256;

/**
 * Remembers calls by their raw arguments, one level of Maps per argument, so that nothing is joined or hashed on the
 * way of a hit. Maps tell 1, '1', 1n, true, null, undefined and absence apart, and hold 0 and -0 for the same, as
 * keys do.
 */
export class CallMemory {
  private root: Branch = { call: undefined, next: undefined };
  /** Calls with one argument, which most are: nothing between the Map and the call. */
  private readonly ones = new Map<unknown, RememberedCall>();
  private size = 0;

  one(argument: unknown): RememberedCall | undefined {
    return this.ones.get(argument);
  }

  none(): RememberedCall | undefined {
    return this.root.call;
  }

  two(first: unknown, second: unknown): RememberedCall | undefined {
    return this.root.next?.get(first)?.next?.get(second)?.call;
  }

  get(args: readonly unknown[]): RememberedCall | undefined {
    if (args.length === 1) return this.one(args[0]);
    let branch: Branch | undefined = this.root;
    for (let i = 0; i < args.length && branch !== undefined; i++) branch = branch.next?.get(args[i]);
    return branch?.call;
  }

  set(args: readonly unknown[], call: RememberedCall): void {
    if (args.length > MAX_ARGUMENTS || !args.every(isSmallPrimitive)) return;
    if (this.size >= MAX_CALLS) this.clear();
    this.size++;
    if (args.length === 1) {
      this.ones.set(args[0], call);
      return;
    }
    let branch = this.root;
    for (const argument of args) {
      branch.next ??= new Map();
      let next = branch.next.get(argument);
      if (next === undefined) branch.next.set(argument, (next = { call: undefined, next: undefined }));
      branch = next;
    }
    branch.call = call;
  }

  clear(): void {
    this.root = { call: undefined, next: undefined };
    this.ones.clear();
    this.size = 0;
  }
}

function isSmallPrimitive(value: unknown): boolean {
  if (value === null) return true;
  if (typeof value === 'string') return value.length <= MAX_LENGTH;
  return typeof value !== 'object' && typeof value !== 'function' && typeof value !== 'symbol';
}
