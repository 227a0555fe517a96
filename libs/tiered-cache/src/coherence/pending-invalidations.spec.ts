import { PendingInvalidations } from './pending-invalidations.js';

const change = { keys: ['prices:a'], tags: ['desk'] };

describe('invalidations that are not answered', () => {
  let pending: PendingInvalidations;
  beforeEach(() => {
    pending = new PendingInvalidations(() => ['#namespace']);
  });

  const isBypassed = () => [pending.hasKey('prices:a'), pending.hasTag('desk')];

  it('are bypassed until their own answer comes', () => {
    const sent = pending.send(change);
    expect(isBypassed()).toEqual([false, false]);
    sent.bypass();
    expect(isBypassed()).toEqual([true, true]);
    sent.answered();
    expect(isBypassed()).toEqual([false, false]);
    expect(pending.size).toBe(0);
  });

  it('go on being bypassed when one is answered that was sent before them, though it was bypassed after them', () => {
    const earlier = pending.send(change);
    const later = pending.send(change);
    later.bypass();
    earlier.bypass();
    earlier.answered();
    expect(isBypassed()).toEqual([true, true]);
    later.answered();
    expect(isBypassed()).toEqual([false, false]);
  });

  it('are done with when one is answered that was sent after them', () => {
    const earlier = pending.send(change);
    earlier.bypass();
    const later = pending.send(change);
    later.bypass();
    later.answered();
    expect(isBypassed()).toEqual([false, false]);
  });

  it('are not taken for resent by a resend that began before they were bypassed', () => {
    const sent = pending.send(change);
    pending.add({ keys: ['prices:b'], tags: [] });
    const { batch, answered } = pending.take();
    expect(batch.keys).toEqual(['prices:b']);
    sent.bypass();
    answered();
    expect(isBypassed()).toEqual([true, true]);
    expect(pending.hasKey('prices:b')).toBe(false);
  });

  it('are resent once it is known that no answer will come', () => {
    const sent = pending.send(change);
    sent.bypass();
    expect(pending.take().batch.keys).toEqual([]);
    sent.due();
    expect(pending.take().batch).toEqual({ keys: ['prices:a'], tags: ['desk'], patterns: [] });
  });
});
