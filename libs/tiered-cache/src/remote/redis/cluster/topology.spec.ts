import { readRedirection, readSlots, splitAddress } from './topology.js';

const same = (address: string): string => address;

describe('the topology of a cluster', () => {
  const answer = [
    [0, 5_460, ['10.0.0.1', 7_000, 'a'], ['10.0.0.4', 7_000, 'd']],
    [5_461, 10_922, ['10.0.0.2', 7_000, 'b']],
    [10_923, 16_383, ['10.0.0.1', 7_000, 'a']],
  ];

  it('names the master of every slot, and each master once', () => {
    const { owners, masters, whole } = readSlots(answer, 'x:1', same);
    expect([owners[0], owners[5_460], owners[5_461], owners[16_383]]).toEqual([
      '10.0.0.1:7000',
      '10.0.0.1:7000',
      '10.0.0.2:7000',
      '10.0.0.1:7000',
    ]);
    expect(masters).toEqual(['10.0.0.1:7000', '10.0.0.2:7000']);
    expect(whole).toBe(true);
  });

  it('is not whole while a slot has no master, or one that announces no address', () => {
    expect(readSlots(answer.slice(0, 2), 'x:1', same).whole).toBe(false);
    const unknown = readSlots([[0, 16_383, ['?', 7_000, 'a']]], 'x:1', same);
    expect(unknown).toMatchObject({ masters: [], whole: false });
  });

  it('reaches a node without a host where it was asked, and maps addresses', () => {
    const map = (address: string): string => (address === 'seed:7000' ? 'localhost:1' : address);
    for (const host of ['', null])
      expect(readSlots([[0, 16_383, [host, 7_000, 'a']]], 'seed:7001', map).masters).toEqual(['localhost:1']);
  });

  it('reads redirections and nothing else', () => {
    expect(readRedirection('MOVED 3999 10.0.0.9:6381', 'x:1', same)).toEqual({
      kind: 'MOVED',
      slot: 3_999,
      to: '10.0.0.9:6381',
    });
    expect(readRedirection('ASK 1 :6381', 'x:1', same)).toEqual({ kind: 'ASK', slot: 1, to: 'x:6381' });
    expect(readRedirection('MOVED 1 ::1:6381', 'x:1', same)?.to).toBe('::1:6381');
    expect(readRedirection('TRYAGAIN Multiple keys request', 'x:1', same)).toBeNull();
    expect(readRedirection('ERR MOVED 1 a:1', 'x:1', same)).toBeNull();
  });

  it('splits addresses at the last colon', () => {
    expect(splitAddress('::1:6381')).toEqual({ host: '::1', port: 6_381 });
    expect(splitAddress('[::1]:6381')).toEqual({ host: '::1', port: 6_381 });
    expect(splitAddress('h:1')).toEqual({ host: 'h', port: 1 });
  });
});
