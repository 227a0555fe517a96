import { CorruptEntryError, StrataError } from '../../errors.js';
import type { ClassRegistry } from '../class-registry.js';
import type { RegisteredClass } from '../codec.js';
import { MAX_DEPTH } from '../json-codec.js';
import { errorFrom, fillInstance } from '../revive.js';
import { ByteReader, type ByteView } from './byte-reader.js';
import type { Budget, SlicedJob } from './slice-queue.js';
import { FLAG_PLAIN, MAX_SHAPES, TOKEN, VIEWS } from './tokens.js';

const BYTES_PER_UNIT = 512;
/** Of an instance that is made when its data has been read. */
const LATER = Symbol('later');

interface Shape {
  keys: readonly string[];
  /** With all keys in order: a spread copy has its hidden class at once. */
  template: Record<string, unknown>;
}

class Frame {
  next = 0;
  /** Of an object whose keys are those of a shape. */
  keys: readonly string[] | null = null;
  /** The key whose value comes next, or the data of an instance. */
  pending: unknown = undefined;
  /** What is left of a sparse array is told by index. */
  sparse = false;

  /** Of an array, once all is read. */
  readonly length: number;

  constructor(
    /** 'made': what its class makes of its data; the class stands in the place of the target until then. */
    readonly kind: 'array' | 'object' | 'spelt' | 'map' | 'set' | 'instance' | 'made',
    readonly target: object,
    public size: number,
    /** The number of the object. */
    readonly index: number,
  ) {
    this.length = size;
  }
}

/** What was read: a value nobody else holds. */
export interface SlicedValue {
  value: unknown;
  /** Everything in it is frozen. */
  frozen: boolean;
}

/**
 * Reads codec 4 and can stop after any member. Nothing is allocated by a number that was read: containers grow as their
 * members come, so that they are never larger than the bytes there are.
 */
export class SlicedReader implements SlicedJob<SlicedValue> {
  private readonly in: ByteReader;
  private readonly plain: boolean;
  private readonly freezes: boolean;
  private readonly shapes: Shape[] = [];
  private readonly objects: unknown[] = [];
  private readonly stack: Frame[] = [];
  private value: unknown;
  private started = false;

  /** `freeze`: freeze all of it, where everything in it can be. */
  constructor(
    payload: Buffer,
    private readonly classes: ClassRegistry,
    freeze: boolean,
  ) {
    this.in = new ByteReader(payload);
    this.plain = payload[0] === FLAG_PLAIN;
    this.freezes = freeze && this.plain;
  }

  get result(): SlicedValue {
    return { value: this.value, frozen: this.freezes };
  }

  /** @throws CorruptEntryError 'payload' */
  step(budget: Budget): boolean {
    try {
      return this.work(budget);
    } catch (error) {
      if (error instanceof StrataError) throw error;
      throw new CorruptEntryError('payload');
    }
  }

  private work(budget: Budget): boolean {
    if (!this.started) {
      this.started = true;
      if (this.in.byte() > FLAG_PLAIN) corrupt();
      const value = this.read();
      if (value !== LATER) this.value = value;
    }
    for (let frame = this.stack.at(-1); frame !== undefined; frame = this.stack.at(-1)) {
      const { at } = this.in;
      if (frame.next < frame.size) this.readMember(frame);
      else this.leave(frame);
      if (budget.spend(1 + (this.in.at - at) / BYTES_PER_UNIT)) return false;
    }
    if (!this.in.atEnd) corrupt();
    return true;
  }

  private readMember(frame: Frame): void {
    frame.next++;
    if (frame.kind === 'spelt') frame.pending = this.readKey();
    else if (frame.kind === 'array' && this.readIndex(frame)) return;
    const value = this.read();
    if (value !== LATER) this.put(frame, value);
  }

  /** True when there is no element to be read. */
  private readIndex(frame: Frame): boolean {
    const array = frame.target as unknown[];
    if (frame.sparse) {
      const index = this.in.u32();
      if (index < array.length || index >= frame.length) corrupt();
      array.length = index;
    } else if (this.in.peek() === TOKEN.SPARSE) {
      this.in.byte();
      frame.sparse = true;
      frame.next = 0;
      frame.size = this.in.u32();
      return true;
    }
    return false;
  }

  /** Puts the member that was begun last into its container. */
  private put(frame: Frame, value: unknown): void {
    const { target } = frame;
    switch (frame.kind) {
      case 'array':
        (target as unknown[]).push(value);
        return;
      case 'object':
        (target as Record<string, unknown>)[frame.keys![frame.next - 1]!] = value;
        return;
      case 'spelt':
        (target as Record<string, unknown>)[frame.pending as string] = value;
        return;
      case 'map':
        if (frame.next % 2 === 1) frame.pending = value;
        else (target as Map<unknown, unknown>).set(frame.pending, value);
        return;
      case 'set':
        (target as Set<unknown>).add(value);
        return;
      case 'instance':
      case 'made':
        frame.pending = value;
    }
  }

  private leave(frame: Frame): void {
    const { target, kind } = frame;
    this.stack.pop();
    if (frame.sparse) (target as unknown[]).length = frame.length;
    else if (kind === 'instance') {
      if (typeof frame.pending !== 'object' || frame.pending === null) corrupt();
      fillInstance(target, frame.pending);
    } else if (kind === 'made') this.make(frame, target as RegisteredClass);
    if (this.freezes) Object.freeze(target);
  }

  /** Now that its data is whole. */
  private make(frame: Frame, registered: RegisteredClass): void {
    const value = registered.deserialise!(frame.pending);
    this.objects[frame.index] = value;
    const parent = this.stack.at(-1);
    if (parent === undefined) this.value = value;
    else this.put(parent, value);
  }

  /** Reads one value; of a container its head, the members follow. */
  private read(): unknown {
    const token = this.in.byte();
    if (token < 0x80) return token;
    switch (token) {
      case TOKEN.STR8:
      case TOKEN.STR32:
      case TOKEN.WIDE32:
        return this.in.text(token);
      case TOKEN.NULL:
        return null;
      case TOKEN.UNDEFINED:
        return undefined;
      case TOKEN.FALSE:
        return false;
      case TOKEN.TRUE:
        return true;
      case TOKEN.I16:
        return this.in.i16();
      case TOKEN.I32:
        return this.in.i32();
      case TOKEN.F64:
        return this.in.f64();
      case TOKEN.BIGINT:
        return this.readBigInt();
      case TOKEN.REF:
        return this.reference(this.in.u32());
      case TOKEN.ARRAY:
        return this.open('array', [], this.in.u32());
      case TOKEN.SHAPE:
        return this.openShaped(this.newShape());
      case TOKEN.OBJECT:
        return this.openShaped(this.shapes[this.in.u16()] ?? corrupt());
      case TOKEN.LONG:
        return this.open('spelt', {}, this.in.u32());
      case TOKEN.BARE:
        return this.open('spelt', Object.create(null) as object, this.in.u32());
      default:
        return this.plain ? corrupt() : this.readOther(token);
    }
  }

  private readOther(token: number): unknown {
    switch (token) {
      case TOKEN.MAP:
        return this.open('map', new Map(), this.in.u32() * 2);
      case TOKEN.SET:
        return this.open('set', new Set(), this.in.u32());
      case TOKEN.DATE:
        return this.note(new Date(this.in.f64()));
      case TOKEN.BYTES:
        return this.note(Buffer.from(this.in.raw(this.in.u32())));
      case TOKEN.VIEW:
        return this.note(this.readView());
      case TOKEN.REGEXP:
        return this.note(new RegExp(this.readText(), this.readText()));
      case TOKEN.URL:
        return this.note(new URL(this.readText()));
      case TOKEN.ERROR:
        return this.note(
          errorFrom({ type: this.readText(), message: this.readText(), stack: this.readText() }),
        );
      case TOKEN.INSTANCE:
        return this.openInstance(this.readText());
      default:
        return corrupt();
    }
  }

  private open(kind: Frame['kind'], target: object, size: number): object {
    // Deeper than anything that is written; also what keeps the stack from growing with damaged bytes.
    if (this.stack.length >= MAX_DEPTH) corrupt();
    this.stack.push(new Frame(kind, target, size, this.objects.length));
    return this.note(target);
  }

  private note<T>(object: T): T {
    this.objects.push(object);
    return object;
  }

  private reference(index: number): unknown {
    const object = index < this.objects.length ? this.objects[index] : corrupt();
    return object === LATER ? corrupt() : object;
  }

  private newShape(): Shape {
    const count = this.in.byte();
    if (this.shapes.length === MAX_SHAPES) corrupt();
    const keys: string[] = [];
    const template: Record<string, unknown> = {};
    for (let i = 0; i < count; i++) {
      const key = this.readKey();
      keys.push(key);
      template[key] = undefined;
    }
    const shape = { keys, template };
    this.shapes.push(shape);
    return shape;
  }

  private openShaped({ keys, template }: Shape): object {
    const object = this.open('object', { ...template }, keys.length);
    this.stack.at(-1)!.keys = keys;
    return object;
  }

  private readKey(): string {
    const key = this.readText();
    // Never written by us, and poison for whoever merges the value later.
    return key === '__proto__' ? corrupt() : key;
  }

  private readText(): string {
    return this.in.text(this.in.byte());
  }

  private readBigInt(): bigint {
    const negative = this.in.byte() === 1;
    const size = BigInt(`0x${this.readText()}`);
    return negative ? -size : size;
  }

  private readView(): ByteView {
    const View = VIEWS[this.in.byte()] ?? corrupt();
    // A copy, in a buffer of its own.
    const { buffer } = new Uint8Array(this.in.raw(this.in.u32()));
    return View === ArrayBuffer ? buffer : new (View as Uint8ArrayConstructor)(buffer);
  }

  /** Without a deserialise of its class an instance is there from the start, so that cycles can lead back to it. */
  private openInstance(name: string): unknown {
    const registered = this.classes.named(name) ?? corrupt();
    if (registered.deserialise === undefined)
      return this.open('instance', Object.create(registered.type.prototype as object) as object, 1);
    this.open('made', registered, 1);
    this.objects[this.objects.length - 1] = LATER;
    return LATER;
  }
}

function corrupt(): never {
  throw new CorruptEntryError('payload');
}
