import { MAX_SHAPE_KEYS, MAX_SHAPES } from './tokens.js';

interface Node {
  next: Map<string, Node> | null;
  id: number;
}

/** Which lists of keys were met before: rows of a table share one. */
export class Shapes {
  private readonly root: Node = { next: null, id: -1 };
  private readonly answer = { id: 0, isNew: false };
  private last: readonly string[] = [];
  private lastId = -1;
  private count = 0;

  /** Valid until the next call. Null: too many keys, or too many shapes. */
  find(keys: readonly string[]): { readonly id: number; readonly isNew: boolean } | null {
    if (keys.length > MAX_SHAPE_KEYS) return null;
    this.answer.isNew = false;
    this.answer.id = this.lastId;
    if (this.lastId >= 0 && same(keys, this.last)) return this.answer;
    let node = this.root;
    for (const key of keys) {
      node.next ??= new Map();
      let next = node.next.get(key);
      if (next === undefined) {
        if (this.count === MAX_SHAPES) return null;
        node.next.set(key, (next = { next: null, id: -1 }));
      }
      node = next;
    }
    if (node.id < 0) {
      if (this.count === MAX_SHAPES) return null;
      node.id = this.count++;
      this.answer.isNew = true;
    }
    this.last = keys;
    this.answer.id = this.lastId = node.id;
    return this.answer;
  }
}

function same(a: readonly string[], b: readonly string[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
