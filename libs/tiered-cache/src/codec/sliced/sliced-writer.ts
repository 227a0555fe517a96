import { inspect } from 'node:util';
import { StrataError, UnserialisableValueError } from '../../errors.js';
import type { ClassRegistry } from '../class-registry.js';
import type { RegisteredClass } from '../codec.js';
import { MAX_DEPTH } from '../json-codec.js';
import { type Builtin, builtinOf, hasInternalState, isPlainObject } from '../types.js';
import { errorData, nameOf, refuse } from '../refusals.js';
import { ByteWriter } from './byte-writer.js';
import { Identities } from './identities.js';
import { Shapes } from './shapes.js';
import type { Budget, SlicedJob } from './slice-queue.js';
import { FLAG_PLAIN, TOKEN, VIEW_NAMES } from './tokens.js';

/** Bytes of text or binary data that cost about as much as one member. */
const BYTES_PER_UNIT = 512;

/** A container being written, or a registered instance, whose only member is its data. */
class Frame {
  next = 0;
  /** Of objects, and of what is left of a sparse array. */
  keys: readonly string[] | null = null;
  /** The keys are written before their values. */
  spelt = false;
  /** The keys are indices. */
  sparse = false;
  /** Of Maps and Sets. */
  members: Iterator<unknown> | null = null;
  /** The value of a Map's key that was just written. */
  pending: unknown = undefined;
  /** Of an instance. */
  data: unknown = undefined;
  /** Its class has a deserialise of its own, which needs its data whole. */
  whole = false;

  constructor(
    readonly value: object,
    /** Where it stands in the container around it. */
    readonly step: PropertyKey,
    public size: number,
    readonly isMap = false,
  ) {}
}

/**
 * Writes a value as codec 4, checking it on the way as the rich codec does, and can stop after any member. A property is
 * read once, by its descriptor: no accessor is called.
 *
 * The owner may go on changing the value meanwhile. What he adds to or takes from a container that is being written is
 * found out (UnserialisableValueError); members changed in place are written as they are when their turn comes.
 */
export class SlicedWriter implements SlicedJob<Buffer> {
  private readonly out: ByteWriter;
  private readonly seen = new Identities();
  private readonly shapes = new Shapes();
  private readonly stack: Frame[] = [];
  /** Depths of the open instances whose class has a deserialise of its own. */
  private readonly whole: number[] = [];
  private plain = true;
  private started = false;

  constructor(
    private readonly root: unknown,
    private readonly classes: ClassRegistry,
    limit: number,
  ) {
    this.out = new ByteWriter(limit);
  }

  get result(): Buffer {
    return this.out.finish(this.plain ? FLAG_PLAIN : 0);
  }

  /** @throws UnserialisableValueError, EntryTooLargeError */
  step(budget: Budget): boolean {
    try {
      return this.work(budget);
    } catch (error) {
      if (error instanceof StrataError) throw error;
      // A getter, proxy or serialise function.
      throw new UnserialisableValueError('reading it failed', { cause: error });
    }
  }

  private work(budget: Budget): boolean {
    if (!this.started) {
      this.started = true;
      this.out.byte(0);
      this.write(this.root, '');
    }
    for (let frame = this.stack.at(-1); frame !== undefined; frame = this.stack.at(-1)) {
      const bytes = this.out.length;
      if (frame.next < frame.size) this.writeMember(frame);
      else this.leave(frame);
      if (budget.spend(1 + (this.out.length - bytes) / BYTES_PER_UNIT)) return false;
    }
    return true;
  }

  private writeMember(frame: Frame): void {
    const at = frame.next++;
    const { value, keys } = frame;
    if (keys !== null) {
      const key = keys[at]!;
      if (frame.spelt) this.out.text(key);
      else if (frame.sparse) this.out.u32(Number(key));
      this.write(dataOf(value, key, this.stack), key);
    } else if (Array.isArray(value)) this.writeElement(frame, value, at);
    else if (frame.members !== null) this.writeNext(frame, at);
    else this.write(frame.data, `<instance>`);
  }

  private writeElement(frame: Frame, array: unknown[], at: number): void {
    const element: unknown = array[at];
    if (element !== undefined || at in array) this.write(element, at);
    else this.writeSparse(frame, array, at);
  }

  /** From the first hole on: what is left, by index. */
  private writeSparse(frame: Frame, array: unknown[], from: number): void {
    if (array.length < frame.size) changed(this.stack);
    const left = Object.keys(array).filter((key) => Number(key) > from);
    this.out.byte(TOKEN.SPARSE);
    this.out.u32(left.length);
    frame.next = 0;
    frame.size = left.length;
    frame.keys = left;
    frame.sparse = true;
  }

  private writeNext(frame: Frame, at: number): void {
    if (frame.isMap && at % 2 === 1) {
      this.write(frame.pending, at);
      return;
    }
    const { value: member, done } = frame.members!.next();
    if (done === true) changed(this.stack);
    if (frame.isMap) {
      const [key, value] = member as [unknown, unknown];
      frame.pending = value;
      this.write(key, at);
    } else this.write(member, at);
  }

  private leave(frame: Frame): void {
    const { value } = frame;
    const grown =
      frame.members !== null
        ? frame.members.next().done !== true
        : Array.isArray(value) && frame.keys === null && value.length !== frame.size;
    if (grown) changed(this.stack);
    this.stack.pop();
    if (frame.whole) this.whole.pop();
  }

  private write(value: unknown, step: PropertyKey): void {
    const { out } = this;
    switch (typeof value) {
      case 'string':
        return out.text(value);
      case 'number':
        return out.number(value);
      case 'boolean':
        return out.byte(value ? TOKEN.TRUE : TOKEN.FALSE);
      case 'undefined':
        return out.byte(TOKEN.UNDEFINED);
      case 'bigint':
        out.byte(TOKEN.BIGINT);
        out.byte(value < 0n ? 1 : 0);
        return out.text((value < 0n ? -value : value).toString(16));
      case 'object':
        return value === null ? out.byte(TOKEN.NULL) : this.writeObject(value, step);
      default:
        return refuse(`a ${typeof value}`, this.stack, step);
    }
  }

  private writeObject(value: object, step: PropertyKey): void {
    const known = this.seen.meet(value);
    if (known >= 0) {
      const deepest = this.whole.at(-1);
      if (deepest !== undefined && this.stack.slice(0, deepest).some((frame) => frame.value === value))
        refuse('a cycle through an instance whose class has its own deserialise', this.stack, step);
      this.out.byte(TOKEN.REF);
      return this.out.u32(known);
    }
    const depth = this.stack.length + 1;
    if (depth > MAX_DEPTH) refuse(`nesting deeper than ${MAX_DEPTH} levels`, this.stack, step);
    const frame = this.begin(value, step);
    if (frame === null) return;
    this.stack.push(frame);
    if (frame.whole) this.whole.push(depth);
  }

  /** Writes the head of an object; null when that was all of it. */
  private begin(value: object, step: PropertyKey): Frame | null {
    const registered = this.classes.of(value);
    if (registered !== undefined) return this.beginInstance(value, registered, step);
    if (isPlainObject(value)) return this.beginPlain(value, step, TOKEN.LONG);
    if (Array.isArray(value) && builtinOf(value) === 'Array') return this.beginArray(value, step);
    if (Object.getPrototypeOf(value) === null && !hasInternalState(value))
      return this.beginPlain(value, step, TOKEN.BARE);
    const kind = builtinOf(value);
    if (kind === null) return refuse(`an instance of ${nameOf(value)}, which is not a registered class`, this.stack, step); // prettier-ignore
    this.plain = false;
    return this.beginBuiltin(value, kind, step);
  }

  private beginPlain(value: object, step: PropertyKey, spelt: number): Frame {
    const keys = ownKeys(value, this.stack, step);
    const shape = spelt === TOKEN.LONG ? this.shapes.find(keys) : null;
    if (shape === null) {
      this.out.byte(spelt);
      this.out.u32(keys.length);
    } else if (shape.isNew) {
      this.out.byte(TOKEN.SHAPE);
      this.out.byte(keys.length);
      for (const key of keys) this.out.text(key);
    } else {
      this.out.byte(TOKEN.OBJECT);
      this.out.u16(shape.id);
    }
    const frame = new Frame(value, step, keys.length);
    frame.keys = keys;
    frame.spelt = shape === null;
    return frame;
  }

  private beginArray(array: unknown[], step: PropertyKey): Frame {
    if (hasOtherMembers(array)) refuse('an array with members other than its elements', this.stack, step);
    this.out.byte(TOKEN.ARRAY);
    this.out.u32(array.length);
    return new Frame(array, step, array.length);
  }

  private beginInstance(value: object, registered: RegisteredClass, step: PropertyKey): Frame {
    const { name } = registered;
    this.plain = false;
    this.out.byte(TOKEN.INSTANCE);
    this.out.text(name);
    const frame = new Frame(value, step, 1);
    frame.data = this.classData(value, registered, step);
    frame.whole = registered.deserialise !== undefined;
    return frame;
  }

  private classData(value: object, registered: RegisteredClass, step: PropertyKey): unknown {
    const { name } = registered;
    if (registered.serialise) {
      const data = registered.serialise(value);
      if (registered.deserialise || (typeof data === 'object' && data !== null && isPlainObject(data)))
        return data;
      return refuse(
        `a ${name}, which without deserialise must serialise to a plain object`,
        this.stack,
        step,
      );
    }
    if (hasInternalState(value))
      refuse(`a ${name}, which extends a built-in and needs serialise and deserialise`, this.stack, step);
    const keys = ownKeys(value, this.stack, step);
    return Object.fromEntries(keys.map((key) => [key, dataOf(value, key, this.stack)]));
  }

  private beginBuiltin(value: object, kind: Builtin, step: PropertyKey): Frame | null {
    const { out } = this;
    if (kind === 'Error') {
      const { type, message, stack } = errorData(value as Error, this.stack, step);
      out.byte(TOKEN.ERROR);
      for (const text of [type, message, stack]) out.text(text);
      return null;
    }
    if (kind === 'Buffer' || kind === 'TypedArray' || kind === 'DataView' || kind === 'ArrayBuffer') {
      this.writeBytes(value, kind, step);
      return null;
    }
    // Only `lastIndex` of a RegExp is its own, and hidden.
    if (Reflect.ownKeys(value).length > (kind === 'RegExp' ? 1 : 0))
      refuse(`a ${kind} with properties of its own`, this.stack, step);
    switch (kind) {
      case 'Date':
        out.byte(TOKEN.DATE);
        out.f64((value as Date).getTime());
        return null;
      case 'RegExp':
        out.byte(TOKEN.REGEXP);
        out.text((value as RegExp).source);
        out.text((value as RegExp).flags);
        return null;
      case 'URL':
        out.byte(TOKEN.URL);
        out.text((value as URL).href);
        return null;
      case 'Map':
      case 'Set': {
        const { size } = value as Map<unknown, unknown> | Set<unknown>;
        out.byte(kind === 'Map' ? TOKEN.MAP : TOKEN.SET);
        out.u32(size);
        const frame = new Frame(value, step, kind === 'Map' ? size * 2 : size, kind === 'Map');
        frame.members = (value as Iterable<unknown>)[Symbol.iterator]();
        return frame;
      }
      default:
        return refuse(`a ${kind}`, this.stack, step);
    }
  }

  /** The visible bytes only: a small view may sit in a pool that holds other people's secrets. */
  private writeBytes(value: object, kind: Builtin, step: PropertyKey): void {
    const { out } = this;
    let bytes: Uint8Array;
    if (kind === 'ArrayBuffer') bytes = new Uint8Array(value as ArrayBuffer);
    else {
      const { buffer, byteOffset, byteLength } = value as ArrayBufferView;
      if (kind !== 'Buffer' && builtinOf(buffer) !== 'ArrayBuffer')
        refuse('a view of shared memory', this.stack, step);
      bytes = new Uint8Array(buffer, byteOffset, byteLength);
    }
    if (kind === 'Buffer') out.byte(TOKEN.BYTES);
    else {
      out.byte(TOKEN.VIEW);
      out.byte(VIEW_NAMES.indexOf(Object.prototype.toString.call(value).slice(8, -1)));
    }
    out.u32(bytes.length);
    out.raw(bytes);
  }
}

/** The keys, all of which are enumerable strings other than `__proto__`; what they hold is seen when it is read. */
function ownKeys(value: object, stack: readonly Frame[], step: PropertyKey): string[] {
  const keys = Reflect.ownKeys(value);
  for (const key of keys) if (typeof key !== 'string' || key === '__proto__') hidden(stack, step);
  return keys as string[];
}

function dataOf(value: object, key: string, stack: readonly Frame[]): unknown {
  const descriptor = Object.getOwnPropertyDescriptor(value, key);
  if (descriptor === undefined) return changed(stack);
  // Only a data property has `writable`; an accessor would be called, and lost.
  if (descriptor.writable === undefined || descriptor.enumerable !== true) hidden(stack, key);
  return descriptor.value;
}

function hidden(stack: readonly Frame[], step: PropertyKey): never {
  return refuse('an object with symbol, hidden, accessor or __proto__ properties', stack, step);
}

function changed(stack: readonly Frame[]): never {
  const { value, step } = stack.at(-1)!;
  return refuse(`${Array.isArray(value) ? 'an array' : 'an object'} that was changed while it was written`, stack.slice(0, -1), step); // prettier-ignore
}

/** Listing an array's keys makes a string of every index: 10 ms for 100,000. `inspect` counts elements without looking. */
function hasOtherMembers(array: unknown[]): boolean {
  if (Object.getOwnPropertySymbols(array).length > 0) return true;
  const { length } = array;
  if (length > 100) {
    const shown = inspect(array, { maxArrayLength: 0, customInspect: false, depth: 0 });
    if (shown === `[ ... ${length} more items ]`) return false;
  }
  return Object.keys(array).some((key) => !/^(?:0|[1-9]\d{0,9})$/.test(key) || Number(key) >= length);
}
