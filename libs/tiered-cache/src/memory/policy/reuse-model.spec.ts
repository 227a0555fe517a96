import { KeyClasses } from './key-classes.js';
import { ReuseModel } from './reuse-model.js';

const classes = new KeyClasses(12);
const NEW = classes.newcomer(1);
const SCANNED = classes.newcomer(100);
const modelOf = () => new ReuseModel(classes, 4_000);

describe('what a place in the cache is worth', () => {
  it('falls with age before anything is known', () => {
    const model = modelOf();
    const ages = [1, 10, 100, 1_000];
    const worths = ages.map((age) => model.worth(NEW, age));
    expect(worths.toSorted((a, b) => b - a)).toEqual(worths);
    expect(worths.at(-1)).toBeGreaterThan(0);
  });

  it('rises with age in a loop, and is gone after its end', () => {
    const model = modelOf();
    for (let i = 0; i < 200; i++) model.use(NEW, 1_000);
    model.refresh(1);
    expect(model.worth(NEW, 800)).toBeGreaterThan(2 * model.worth(NEW, 400));
    expect(model.worth(NEW, 400)).toBeGreaterThan(model.worth(NEW, 1));
    expect(model.worth(NEW, 1_100)).toBeLessThan(model.worth(NEW, 1));
  });

  it('is learned from ages beyond the horizon as from the horizon', () => {
    const model = modelOf();
    for (let i = 0; i < 100; i++) model.use(NEW, 2 ** 31);
    model.refresh(1);
    expect(model.worth(NEW, 3_900)).toBeGreaterThan(0);
    expect(model.worth(NEW, 2 ** 31)).toBe(0);
  });

  it('is low for keys that were forgotten unused, and for those that wait in vain', () => {
    for (const unused of ['forgotten', 'waiting']) {
      const model = modelOf();
      for (let i = 0; i < 50; i++) model.use(NEW, 20);
      const before = model.worth(SCANNED, 1);
      for (let i = 0; i < 500; i++) {
        if (unused === 'forgotten') model.forget(SCANNED, 2_000);
        else model.wait(SCANNED, 2_000, 1);
      }
      model.refresh(1);
      expect(model.worth(SCANNED, 1)).toBeLessThan(before / 10);
      expect(model.worth(NEW, 1)).toBeGreaterThan(5 * model.worth(SCANNED, 1));
    }
  });

  it('of a class never seen is that of its relatives', () => {
    const model = modelOf();
    const sameOctave = classes.returning(15, 300);
    const stranger = classes.returning(2, 5);
    for (let i = 0; i < 300; i++) model.use(classes.returning(2, 300), 300);
    for (let i = 0; i < 300; i++) model.forget(stranger, 300);
    model.refresh(1);
    expect(model.worth(sameOctave, 250)).toBeGreaterThan(3 * model.worth(stranger, 250));
  });

  it('follows when times change, the faster the less the past counts', () => {
    const worthAfter = (keep: number) => {
      const model = modelOf();
      for (let i = 0; i < 1_000; i++) model.use(NEW, 10);
      model.refresh(1);
      for (let i = 0; i < 10; i++) {
        for (let j = 0; j < 50; j++) model.forget(NEW, 1_000);
        model.refresh(keep);
      }
      return model.worth(NEW, 1);
    };
    expect(worthAfter(0.5)).toBeLessThan(worthAfter(0.9));
    expect(worthAfter(0.9)).toBeLessThan(worthAfter(1));
  });

  it('counts who waits once, not with every refresh', () => {
    const model = modelOf();
    for (let i = 0; i < 100; i++) model.use(NEW, 10);
    model.wait(NEW, 1_000, 1_000);
    model.refresh(1);
    const low = model.worth(NEW, 1);
    model.refresh(1);
    expect(model.worth(NEW, 1)).toBeGreaterThan(5 * low);
  });

  it('is a finite number whatever was seen', () => {
    const model = modelOf();
    for (let i = 0; i < 100_000; i++) model.use(i % classes.count, i % 5_000);
    model.refresh(0);
    model.refresh(0.5);
    for (let keyClass = 0; keyClass < classes.count; keyClass++) {
      for (const age of [0, 1, 17, 399, 3_999, 4_000, 2 ** 32 - 1]) {
        const worth = model.worth(keyClass, age);
        expect(worth).toBeGreaterThanOrEqual(0);
        expect(worth).toBeLessThan(2);
      }
    }
  });
});
