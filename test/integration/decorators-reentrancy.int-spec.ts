import { Injectable } from '@nestjs/common';
import { ReentrantLoadError } from '#tiered-cache';
import { Cacheable, CacheService } from '../../src/index.js';
import { boot, bootService, closeAll } from './decorators-support.js';

afterEach(closeAll);

const tick = () => new Promise((resolve) => setImmediate(resolve));
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

class Base {
  baseLoads = 0;

  @Cacheable({ namespace: 'instruments', key: (id) => id })
  async find(id: string): Promise<string> {
    this.baseLoads++;
    await tick();
    return `base ${id}`;
  }
}

describe('a method that asks for its own key', () => {
  it('synchronously: calls through', async () => {
    @Injectable()
    class Derived extends Base {
      @Cacheable({ namespace: 'instruments', key: (id) => id })
      override find(id: string): Promise<string> {
        return super.find(id).then((value) => `derived ${value}`);
      }
    }
    const derived = await bootService(Derived);
    expect(await derived.find('x')).toBe('derived base x');
    expect(await derived.find('x')).toBe('derived base x');
    expect(derived.baseLoads).toBe(1);
  });

  it('synchronously, while a refresh runs and the old value is still served: calls through to the new one', async () => {
    @Injectable()
    class Derived extends Base {
      version = 1;
      @Cacheable({ namespace: 'instruments', key: (id) => id })
      override find(id: string): Promise<string> {
        const { version } = this;
        return super.find(id).then((value) => `${value} v${version}`);
      }
    }
    let now = 1_000_000;
    const clock = { now: () => now, monotonic: () => now, setTimer: () => () => undefined };
    const derived = await bootService(Derived, {
      clock,
      namespaces: { instruments: { ttl: '100s', refreshAhead: 0.5 } },
    });
    expect(await derived.find('x')).toBe('base x v1');
    derived.version = 2;
    now += 60_000;
    expect(await derived.find('x')).toBe('base x v1');
    for (let i = 0; i < 20 && (await derived.find('x')) === 'base x v1'; i++) await tick();
    expect(await derived.find('x')).toBe('base x v2');
    expect(derived.baseLoads).toBe(2);
  });

  it('synchronously, where the overridden method was called by itself before: the renewal loads anew', async () => {
    @Injectable()
    class Derived extends Base {
      @Cacheable({ namespace: 'instruments', key: (id) => id })
      override find(id: string): Promise<string> {
        return super.find(id).then((value) => `derived ${value}`);
      }
      plain(id: string): Promise<string> {
        return super.find(id);
      }
    }
    let now = 1_000_000;
    const clock = { now: () => now, monotonic: () => now, setTimer: () => () => undefined };
    const derived = await bootService(Derived, {
      clock,
      namespaces: { instruments: { ttl: '100s', refreshAhead: 0.5 } },
    });
    expect(await derived.plain('x')).toBe('base x');
    now += 60_000;
    for (let i = 0; i < 20 && (await derived.find('x')) === 'base x'; i++) await tick();
    expect(await derived.find('x')).toBe('derived base x');
    expect(derived.baseLoads).toBe(2);
  });

  const never = new Promise<string>(() => undefined);

  /** Ways from an override, after an await, to the method it overrides. */
  const ways: Record<string, (next: () => Promise<string>) => Promise<string>> = {
    'an await': async (next) => {
      await tick();
      return next();
    },
    'a helper that awaits': async (next) => {
      const helper = async () => {
        await tick();
        return await next();
      };
      await tick();
      return await helper();
    },
    'a then': (next) => tick().then(() => next()),
    'Promise.all': async (next) => {
      await tick();
      return (await Promise.all([tick().then(next), tick()]))[0];
    },
    'Promise.race': async (next) => Promise.race([tick().then(next), never]),
    'a transaction’s callback': async (next) => {
      const transaction = async <T>(work: () => Promise<T>): Promise<T> => {
        await tick();
        try {
          return await work();
        } finally {
          await tick();
        }
      };
      return transaction(async () => {
        await tick();
        return next();
      });
    },
    'a promise made by hand': async (next) => {
      await tick();
      return new Promise<string>((resolve, reject) => void next().then(resolve, reject));
    },
    'an async iterator': async (next) => {
      async function* values() {
        await tick();
        yield await next();
      }
      for await (const value of values()) return value;
      return '';
    },
  };

  it.each(Object.keys(ways))('after %s: a typed error at once, not a hang', async (way) => {
    @Injectable()
    class Derived extends Base {
      @Cacheable({ namespace: 'instruments', key: (id) => id })
      override async find(id: string): Promise<string> {
        return `derived ${await ways[way]!(() => super.find(id))}`;
      }
    }
    const derived = await bootService(Derived);
    const started = performance.now();
    await expect(derived.find('x')).rejects.toThrow(ReentrantLoadError);
    await expect(derived.find('x')).rejects.toMatchObject({
      code: 'STRATA_REENTRANT_LOAD',
      details: { namespace: 'instruments', id: 'x' },
    });
    expect(performance.now() - started).toBeLessThan(2_000);
  });

  // What V8's asynchronous stack cannot follow ends at the engine's limit: one lease per wait.
  const namespaces = { instruments: { ttl: '1h', lease: '50ms' } } as const;

  it('from a bare callback: ends all the same, within leases', async () => {
    @Injectable()
    class Callback {
      calls = 0;
      @Cacheable({ namespace: 'instruments', key: (id) => id })
      async find(id: string): Promise<string> {
        if (++this.calls > 50) return 'ran away';
        return new Promise<string>((resolve, reject) => {
          setTimeout(() => void this.find(id).then(resolve, reject), 1);
        });
      }
    }
    const service = await bootService(Callback, { namespaces });
    await expect(service.find('x')).rejects.toThrow(ReentrantLoadError);
  });

  it('through another key: ends all the same, within leases', async () => {
    @Injectable()
    class Circle {
      calls = 0;
      @Cacheable({ namespace: 'instruments', key: (id) => id })
      async find(id: string): Promise<string> {
        if (++this.calls > 50) return 'ran away';
        await tick();
        return this.find(id === 'a' ? 'b' : 'a');
      }
    }
    const service = await bootService(Circle, { namespaces });
    await expect(service.find('a')).rejects.toThrow(ReentrantLoadError);
  });

  it('in another spelling of the key: a typed error', async () => {
    @Injectable()
    class Spelling {
      @Cacheable({ namespace: 'instruments', key: (id) => id })
      async find(id: string): Promise<string> {
        await tick();
        return this.find(id.toUpperCase());
      }
    }
    const namespaces = { instruments: { ttl: '1h', normalizeId: (id: string) => id.toLowerCase() } } as const;
    await expect((await bootService(Spelling, { namespaces })).find('a')).rejects.toThrow(ReentrantLoadError);
  });

  it('is not blamed for what others ask meanwhile: they wait for the one load', async () => {
    @Injectable()
    class Slow {
      loads = 0;
      @Cacheable({ namespace: 'instruments', key: (id) => id })
      async find(id: string): Promise<string> {
        this.loads++;
        await sleep(30);
        return id;
      }
      @Cacheable({ namespace: 'instruments', key: (id) => `via ${id}` })
      async via(id: string): Promise<string> {
        await tick();
        return `via ${await this.find(id)}`;
      }
    }
    const slow = await bootService(Slow);
    const all = await Promise.all([
      slow.find('x'),
      slow.via('x'),
      slow.via('x'),
      tick().then(() => slow.find('x')),
    ]);
    expect(all).toEqual(['x', 'via x', 'via x', 'x']);
    expect(slow.loads).toBe(1);
  });

  it('may read a value that is there: nobody waits', async () => {
    @Injectable()
    class Refreshing {
      @Cacheable({ namespace: 'instruments', key: (id) => id })
      async find(id: string): Promise<string> {
        await tick();
        return `found ${id}`;
      }
    }
    const app = await boot({ providers: [Refreshing] });
    const cache = app.get(CacheService);
    const service = app.get(Refreshing);
    await service.find('x');
    const renewed = await cache.getOrSet('instruments', 'x', async () => `again ${await service.find('x')}`, {
      fresh: true,
    });
    expect(renewed).toBe('again found x');
  });
});
