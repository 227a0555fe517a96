import { resolveOutboxOptions, resolveTriggerOptions } from './outbox.options.js';

describe('options of the outbox', () => {
  it('have defaults', () => {
    expect(resolveOutboxOptions({})).toEqual({
      table: 'strata_outbox',
      schema: undefined,
      columns: {},
      maxRows: 1_000,
      notify: true,
      install: 'check',
      retentionMs: 600_000,
      relayIntervalMs: 1_000,
      writerLeadMs: 1_000,
    });
  });

  it.each([
    [{ install: 'yes' }, /outbox\.install/],
    [{ retention: '1s' }, /outbox\.retention/],
    [{ relayInterval: 1 }, /outbox\.relayInterval/],
    [{ writerLead: '2m' }, /outbox\.writerLead/],
    [{ maxRows: 0 }, /outbox\.maxRows/],
    [{ columns: { A: 'x' } }, /outbox\.columns\.A/],
    [{ notify: 1 }, /outbox\.notify/],
    [{ schema: '' }, /outbox\.schema/],
    [{ tabel: 'x' }, /outbox\.tabel.*table, schema/],
  ])('%j is refused, by name', (options, message) => {
    expect(() => resolveOutboxOptions(options as never)).toThrow(message);
  });

  it('of the triggers are fewer', () => {
    expect(() => resolveTriggerOptions({ install: 'auto' } as never)).toThrow(/outbox\.install/);
  });

  it('no lead at all is a lead', () => {
    expect(resolveOutboxOptions({ writerLead: 0 }).writerLeadMs).toBe(0);
  });
});
