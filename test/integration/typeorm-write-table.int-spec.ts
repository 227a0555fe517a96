import type { TieredCache } from '#tiered-cache';
import { until } from '../conformance/until.js';
import { describeWithServices } from '../support/services.js';
import { ENTRIES } from './typeorm-write-table.entities.js';
import { BOUND_MS, LEAD_MS, RELAY_MS, TableFleet } from './typeorm-write-table.fleet.js';
import { PATHS, rollBack, type WritePath } from './typeorm-write-table.paths.js';

/**
 * The table (write path x node). After a committed write a strict read on any node is new at once and a bounded one
 * within the bound; what only triggers see has the relay's time besides. After a rolled back one nothing has changed,
 * and nothing was evicted. Both: entries of other rows stay where they are.
 */

function table(title: string, outbox: boolean, paths: readonly WritePath[]): void {
  describeWithServices(title, () => {
    let fleet: TableFleet;
    beforeAll(async () => {
      fleet = await TableFleet.open(outbox);
    });
    afterAll(() => fleet?.close());

    describe.each(paths)('$group: $name', (path) => {
      beforeEach(() => fleet.reset(path.before));

      it(
        path.ends.length > 0
          ? 'ends the entries it makes wrong, on every node, and no others'
          : 'ends nothing',
        () => committed(fleet, path),
      );

      if (path.rolledBack !== null) it('ends nothing when rolled back', () => rolledBack(fleet, path));
    });
  });
}

async function committed(fleet: TableFleet, path: WritePath): Promise<void> {
  const before = await fleet.truths();
  await path.run(fleet.writer);
  const done = performance.now();
  const after = await fleet.truths();
  const changed = ENTRIES.filter((entry) => before[entry] !== after[entry]);
  // The test itself: what the write changes is among what must go.
  expect(changed.length > 0).toBe(path.unchanged !== true);
  expect(path.ends).toEqual(expect.arrayContaining(changed));

  const relay = path.sees === 'trigger' ? RELAY_MS + (path.late ? LEAD_MS : 0) : 0;
  const isNew = (cache: TieredCache, entry: string, withinMs: number): Promise<void> =>
    newWithin(fleet, cache, entry, after[entry]!, done + withinMs);
  const [writer, ...others] = fleet.nodes;
  await Promise.all(
    ENTRIES.flatMap((entry) => [
      ...fleet.nodes.map(({ strict }) => isNew(strict, entry, relay)),
      isNew(writer!.bounded, entry, relay === 0 ? 0 : relay + BOUND_MS),
      ...others.map(({ bounded }) => isNew(bounded, entry, relay + BOUND_MS)),
    ]),
  );
  await fleet.relayed();
  // What has gone although it was right is noticed by reading it once more.
  await fleet.reread();
  expect([...fleet.loads.keys()].sort()).toEqual(path.ends.toSorted());
  expect(fleet.log).toEqual([]);
}

async function rolledBack(fleet: TableFleet, path: WritePath): Promise<void> {
  const before = await fleet.truths();
  const { writer } = fleet;
  await (path.rolledBack
    ? path.rolledBack(writer)
    : rollBack(writer.db, (em) => path.run({ ...writer, em })));
  expect(await fleet.truths()).toEqual(before);
  await fleet.relayed();
  await until(() => fleet.kept());
  await fleet.reread();
  expect(Object.fromEntries(fleet.loads)).toEqual({});
}

/** A read begun at `deadline` or later must be new; an earlier one may be. */
async function newWithin(
  fleet: TableFleet,
  cache: TieredCache,
  entry: string,
  expected: string,
  deadline: number,
): Promise<void> {
  for (;;) {
    const began = performance.now();
    const value = await fleet.read(cache, entry);
    if (value === expected) return;
    if (began >= deadline) expect({ [entry]: value }).toEqual({ [entry]: expected });
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const RUNNABLE = PATHS.filter((path) => path.needs?.() ?? true);

table(
  'writes that the subscriber sees',
  false,
  RUNNABLE.filter((path) => path.sees !== 'trigger'),
);
table(
  'writes that only the outbox sees',
  true,
  RUNNABLE.filter((path) => path.sees === 'trigger'),
);
