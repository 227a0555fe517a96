/** A Map doubles in one go, which for 65,000 objects takes longer than a slice may. */
const MAX_PER_MAP = 16_384;

/** The number each object was met under: a chain of Maps, none of which grows big. */
export class Identities {
  private readonly full: Map<object, number>[] = [];
  private last = new Map<object, number>();
  private count = 0;

  /** The number under which the object was met before, or -1: it now has the next one. */
  meet(object: object): number {
    let known = this.last.get(object);
    for (let i = 0; known === undefined && i < this.full.length; i++) known = this.full[i]!.get(object);
    if (known !== undefined) return known;
    if (this.last.size >= MAX_PER_MAP) {
      this.full.push(this.last);
      this.last = new Map();
    }
    this.last.set(object, this.count++);
    return -1;
  }
}
