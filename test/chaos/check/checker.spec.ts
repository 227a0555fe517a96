import { checkAudits } from './audit.mjs';
import { check, Violations } from './checker.mjs';
import { countLoads, loadsPerInvalidation } from './loads.mjs';
import { Story } from './story.js';

const BOUND_MS = 500;

function verdict(story: Story) {
  return check({ processes: story.processes, committed: story.committed, boundMs: BOUND_MS });
}

const kinds = (story: Story) => verdict(story).violations.counts;

describe('the checker finds', () => {
  it('C1: a read that began later than the bound after the acknowledgement of a newer version', () => {
    // Acknowledged at 102.
    const story = new Story().write(0, 100, 1, 1, 11);
    expect(kinds(story.read(1, 602, 1, 0, 0))).toEqual({});
    expect(kinds(story.read(1, 602.001, 1, 0, 0))).toEqual({ C1: 1 });
  });

  it('C1: a strict read that began after the acknowledgement', () => {
    const story = new Story().write(0, 100, 1, 1, 11);
    expect(kinds(story.read(1, 101.9, 1, 0, 0, { space: 'strict' }))).toEqual({});
    expect(kinds(story.read(1, 102.1, 1, 0, 0, { space: 'strict' }))).toEqual({ C1: 1 });
  });

  it('C1: the older value of a fenced key after COMMIT, although the writer died', () => {
    const story = new Story().write(0, 100, 1, 1, 11, { fenced: true, dies: true });
    expect(kinds(story.read(1, 101.5, 1, 0, 0, { space: 'strict' }))).toEqual({ C1: 1 });
  });

  it('C1: a version skipped over, when only one far newer was acknowledged', () => {
    const story = new Story()
      .write(0, 100, 1, 1, 11, { acknowledged: false })
      .write(1, 110, 1, 2, 12)
      .read(2, 700, 1, 0, 0);
    expect(kinds(story)).toEqual({ C1: 1 });
  });

  it('C2: a rolled-back version, also where another write has taken its number', () => {
    const story = new Story()
      .write(0, 100, 1, 1, 11, { outcome: 'ROLLED_BACK', committed: false })
      .write(1, 200, 1, 1, 12)
      .read(2, 110, 1, 1, 11);
    expect(kinds(story)).toEqual({ C2: 1 });
  });

  it('C2: a version returned before its COMMIT was sent', () => {
    const story = new Story().write(0, 100, 1, 1, 11).read(1, 90, 1, 1, 11, { ret: 99 });
    expect(kinds(story)).toEqual({ C2: 1 });
  });

  it('C3: less than the position demanded, however fresh', () => {
    const story = new Story().write(0, 100, 1, 1, 11).read(1, 103, 1, 0, 0, { demanded: 1 });
    expect(kinds(story)).toEqual({ C3: 1 });
  });

  it('C3: less than what the same process has written, acknowledged or not', () => {
    const story = new Story().write(0, 100, 1, 1, 11, { acknowledged: false });
    expect(kinds(story.read(1, 103, 1, 0, 0))).toEqual({});
    expect(kinds(story.read(0, 101, 1, 0, 0))).toEqual({});
    expect(kinds(story.read(0, 103, 1, 0, 0))).toEqual({ C3: 1 });
  });

  it('C4: a tier that differs from the database after the faults', () => {
    const story = new Story().write(0, 100, 1, 1, 11);
    expect(audited(story, 1)).toEqual({});
    expect(audited(story, 0)).toEqual({ C4: 1 });
    expect(audited(story, 2)).toEqual({ C4: 1 });
  });

  it('C5: more loads of an entry than invalidations', () => {
    const story = new Story().write(0, 100, 1, 1, 11).load(1, 50, 1).load(1, 150, 1).load(2, 151, 1);
    const { history } = verdict(story);
    const entry = countLoads(story.processes, history).find(({ space, id }) => space === 'items' && id === 1);
    expect(entry).toMatchObject({ loads: 3, invalidations: 1 });
    expect(loadsPerInvalidation([entry!])).toBe(2);
  });
});

describe('the checker lets pass', () => {
  it('either version while COMMIT is under way or unanswered', () => {
    const story = new Story()
      .write(0, 100, 1, 1, 11, { outcome: 'UNKNOWN' })
      .read(1, 100.5, 1, 1, 11)
      .read(1, 5_000, 1, 0, 0)
      .read(1, 5_001, 1, 1, 11);
    expect(kinds(story)).toEqual({});
  });

  it('an aggregate whose writer only fenced: tags have no fences', () => {
    const story = new Story()
      .write(0, 100, 1, 1, 11, { fenced: true, dies: true })
      .read(1, 900, 1, 0, 0, { space: 'groups' });
    expect(kinds(story)).toEqual({});
    expect(audited(story, 0, 'groups')).toEqual({});
    expect(audited(story, 0, 'items')).toEqual({ C4: 1 });
  });

  it('what a killed writer has told nobody', () => {
    const story = new Story().write(0, 100, 1, 1, 11, { dies: true }).read(1, 900, 1, 0, 0);
    expect(kinds(story)).toEqual({});
    expect(audited(story, 0)).toEqual({});
  });

  it('a newer version than the acknowledged one', () => {
    const story = new Story().write(0, 100, 1, 1, 11).write(1, 650, 1, 2, 12).read(2, 650.5, 1, 2, 12);
    expect(kinds(story)).toEqual({});
  });
});

describe('staleness', () => {
  it('is how long the version returned had been replaced, by the first acknowledgement of a newer one', () => {
    const story = new Story()
      .write(0, 100, 1, 1, 11)
      .write(0, 110, 1, 2, 12)
      .read(1, 142, 1, 0, 0)
      .read(1, 142, 1, 1, 11)
      .read(1, 142, 1, 2, 12);
    const { staleness } = verdict(story);
    expect(staleness.max).toBeCloseTo(40, 6);
    expect(staleness.quantile(0.5)).toBeCloseTo(30, 6);
    expect(staleness.quantile(0.3)).toBe(0);
  });
});

function audited(story: Story, version: number, space = 'items') {
  const { history } = verdict(story);
  const violations = new Violations();
  const found = [{ space, tier: 'l1', rows: [[1, version] as [number, number]] }];
  checkAudits([{ node: 1, found }], new Map([[1, 1]]), history, story.processes, violations);
  return violations.counts;
}
