import { createHash } from 'node:crypto';
import { InvalidKeyError } from '../errors.js';
import { builtinOf, hasInternalState, isPlainObject } from '../codec/types.js';

/*
 * Canonical text of values. Every value begins with what tells its type, and every composite is bracketed, so that
 * the text can be read in one way only:
 *
 *   string   itself when it holds none of ' , ( ) = and does not start with # or $; else 'quoted', ' doubled
 *   number   #1.5 #NaN #Infinity      bigint  #5n
 *   others   $true $false $null $undefined, $hole in sparse arrays
 *   array    (a,b)                    object  $Object(k=v,l=w), keys sorted
 *   Date     $Date(ISO)  RegExp $RegExp(source,flags)  URL $URL(href)  bytes $Buffer(base64url), $Uint8Array(...)
 *   Map      $Map(k=v,...) sorted     Set     $Set(a,b) sorted
 *   class    $Class(Name,k=v,...), or $JSON(Name,value of toJSON)
 */

/** A string that stands for itself. */
export const PLAIN_STRING = /^[^#$',()=][^',()=]*$/;
const MAX_DEPTH = 100;
/** Bounds the work, also for values that share parts so often that writing them out would never end. */
const MAX_MEMBERS = 1_000_000;
const MAX_CHARACTERS = 16_777_216;
/** Longer bytes go by their hash, which cannot be base64url: it starts with `~`. */
const MAX_BYTES_SHOWN = 256;

/** @throws InvalidKeyError for values without stable content (hashParts lists them) */
export function canonicalText(parts: readonly unknown[]): string {
  if (parts.length === 0) return '$';
  const writer = new Writer();
  let text = writer.write(parts[0]);
  for (let i = 1; i < parts.length; i++) text += `,${writer.write(parts[i])}`;
  return text;
}

class Writer {
  private readonly open: object[] = [];
  private members = 0;
  private characters = 0;

  write(value: unknown): string {
    if (++this.members > MAX_MEMBERS)
      throw new InvalidKeyError(value, `has more than ${MAX_MEMBERS} members`);
    switch (typeof value) {
      case 'string':
        if ((this.characters += value.length) > MAX_CHARACTERS)
          throw new InvalidKeyError(value, 'makes too long a key');
        return stringText(value);
      case 'number':
        return `#${value}`; // -0 is written 0
      case 'bigint':
        return `#${value}n`;
      case 'boolean':
      case 'undefined':
        return `$${value}`;
      case 'object':
        return value === null ? '$null' : this.nested(value);
      default:
        throw new InvalidKeyError(value, 'has no stable content; give a key function');
    }
  }

  private nested(value: object): string {
    if (this.open.includes(value)) throw new InvalidKeyError(value, 'contains itself; give a key function');
    if (this.open.length >= MAX_DEPTH)
      throw new InvalidKeyError(value, `is nested deeper than ${MAX_DEPTH} levels`);
    this.open.push(value);
    const text = this.object(value);
    this.open.pop();
    return text;
  }

  private object(value: object): string {
    if (isPlainObject(value) || (Object.getPrototypeOf(value) === null && !hasInternalState(value))) {
      refuseSymbolKeys(value);
      return `$Object(${this.properties(value)})`;
    }
    const kind = builtinOf(value);
    if (kind === null) return this.instance(value);
    switch (kind) {
      case 'Array':
        return `(${this.elements(value as unknown[])})`;
      case 'Buffer':
        return `$Buffer(${bytesText(value as Buffer)})`;
      case 'TypedArray':
        return `$${(value as NodeJS.TypedArray)[Symbol.toStringTag]}(${bytesText(value as NodeJS.TypedArray)})`;
      case 'DataView':
        return `$DataView(${bytesText(value as DataView)})`;
      case 'ArrayBuffer':
        return `$ArrayBuffer(${bytesText(new Uint8Array(value as ArrayBuffer))})`;
      case 'Error':
        throw new InvalidKeyError(value, 'is an error; give a key function');
      default:
    }
    refuseExtras(value);
    if (kind === 'Map') return `$Map(${this.entries(value as Map<unknown, unknown>)})`;
    if (kind === 'Set') return `$Set(${Array.from(value as Set<unknown>, (item) => this.write(item)).sort().join(',')})`; // prettier-ignore
    if (kind === 'Date')
      return `$Date(${Number.isNaN(+(value as Date)) ? 'NaN' : (value as Date).toISOString()})`;
    if (kind === 'URL') return `$URL(${stringText((value as URL).href)})`;
    const { source, flags } = value as RegExp;
    return `$RegExp(${stringText(source)},${flags})`;
  }

  private instance(value: object): string {
    refuseUnstable(value);
    refuseSymbolKeys(value);
    const name = stringText(nameOf(value));
    if (Object.keys(value).length > 0) return `$Class(${name},${this.properties(value)})`;
    // Private fields are out of sight: without any data two different instances would look alike.
    const { toJSON } = value as { toJSON?: unknown };
    if (typeof toJSON !== 'function') {
      throw new InvalidKeyError(value, 'is an instance without visible data; give a key function');
    }
    return `$JSON(${name},${this.write(toJSON.call(value))})`;
  }

  private elements(array: unknown[]): string {
    const texts: string[] = [];
    for (let i = 0; i < array.length; i++) {
      if (i in array) texts.push(this.write(array[i]));
      else {
        if (++this.members > MAX_MEMBERS)
          throw new InvalidKeyError(array, `has more than ${MAX_MEMBERS} members`);
        texts.push('$hole');
      }
    }
    if (Object.keys(array).length > array.length)
      throw new InvalidKeyError(array, 'has members other than elements');
    return texts.join(',');
  }

  private properties(object: object): string {
    const keys = inOrder(Object.keys(object));
    let text = '';
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!;
      const member = `${nameText(key)}=${this.write((object as Record<string, unknown>)[key])}`;
      text = i === 0 ? member : `${text},${member}`;
    }
    return text;
  }

  private entries(map: Map<unknown, unknown>): string {
    return Array.from(map, ([key, value]) => `${this.write(key)}=${this.write(value)}`)
      .sort()
      .join(',');
  }
}

function stringText(text: string): string {
  return PLAIN_STRING.test(text) ? text : `'${text.replaceAll("'", "''")}'`;
}

/** Sorts; most objects are written with few properties, and many in order. */
function inOrder(keys: string[]): string[] {
  for (let i = 1; i < keys.length; i++) if (keys[i - 1]! > keys[i]!) return keys.sort();
  return keys;
}

/** Names of properties come again and again. Bounded, since objects may be used as maps. */
const names = new Map<string, string>();
const MAX_NAMES = 1_000;
const MAX_NAME_LENGTH = 64;

function nameText(name: string): string {
  let text = names.get(name);
  if (text === undefined) {
    text = stringText(name);
    if (name.length <= MAX_NAME_LENGTH && names.size < MAX_NAMES) names.set(name, text);
  }
  return text;
}

function bytesText({ buffer, byteOffset, byteLength }: ArrayBufferView): string {
  const bytes = Buffer.from(buffer, byteOffset, byteLength);
  if (byteLength <= MAX_BYTES_SHOWN) return bytes.toString('base64url');
  return `~${createHash('sha256').update(bytes).digest('base64url')}`;
}

function nameOf(value: object): string {
  const name: unknown = value.constructor?.name;
  return typeof name === 'string' ? name : '';
}

function refuseSymbolKeys(value: object): void {
  const symbols = Object.getOwnPropertySymbols(value);
  if (symbols.length === 0) return;
  for (const symbol of symbols) {
    if (Object.prototype.propertyIsEnumerable.call(value, symbol)) {
      throw new InvalidKeyError(value, 'has properties under symbols; give a key function');
    }
  }
}

function refuseExtras(value: object): void {
  if (Object.keys(value).length > 0)
    throw new InvalidKeyError(value, 'has properties of its own beside its content');
}

/** Methods that give away promises, streams, emitters, signals and iterators, which are events rather than data. */
const LIVE = ['then', 'pipe', 'getReader', 'getWriter', 'addEventListener', 'emit', 'next'];

function refuseUnstable(value: object): void {
  const live = LIVE.find((method) => typeof (value as Record<string, unknown>)[method] === 'function');
  if (live !== undefined) throw new InvalidKeyError(value, `has no stable content (it has ${live}())`);
  if (hasInternalState(value)) {
    throw new InvalidKeyError(value, 'extends a built-in whose content is out of sight; give a key function');
  }
}
