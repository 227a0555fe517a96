import { Injectable, type LoggerService, type LogLevel, type OnApplicationShutdown } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { createInProcessTier, InProcessHub } from '#tiered-cache';
import { Cacheable, CacheModule, type CacheModuleOptions, CacheService } from '../../src/index.js';
import { VirtualClock } from '../support/virtual-clock.js';

interface Line {
  level: string;
  message: string;
  context: unknown;
}

/** Keeps every line. */
class Lines implements LoggerService {
  readonly all: Line[] = [];
  log = this.at('log');
  warn = this.at('warn');
  error = this.at('error');
  debug = this.at('debug');
  fatal = this.at('fatal');
  verbose = this.at('verbose');
  setLogLevels(_levels: LogLevel[]): void {}

  of(level: string, text: string | RegExp): string[] {
    return this.all
      .filter((line) => line.level === level && line.context === 'Strata' && line.message.match(text))
      .map((line) => line.message);
  }

  private at(level: string) {
    return (message: string, ...rest: unknown[]) =>
      void this.all.push({ level, message: String(message), context: rest.at(-1) });
  }
}

@Injectable()
class Service {
  shutdown: string[] = [];
  resolve: (value: string) => void = () => undefined;

  @Cacheable({ namespace: 'a', key: (id) => id })
  async get(id: string): Promise<string> {
    return id;
  }

  @Cacheable({ namespace: 'a', key: (id) => id })
  slow(_id: string): Promise<string> {
    return new Promise((resolve) => (this.resolve = resolve));
  }
}

async function boot(options: CacheModuleOptions, lines = new Lines(), providers: never[] = []) {
  const app = await Test.createTestingModule({
    imports: [CacheModule.forRoot({ namespaces: { a: { ttl: '1h' } }, ...options })],
    providers: [Service, ...providers],
  })
    .setLogger(lines)
    .compile();
  await app.init();
  return { app, lines, cache: app.get(CacheService), service: app.get(Service) };
}

describe('shutdown', () => {
  it('lets loads in flight finish, closes, and logs the final statistics at INFO', async () => {
    const { app, lines, cache, service } = await boot({});
    await service.get('x');
    await service.get('x');
    const pending = service.slow('y');
    const closing = app.close();
    let closed = false;
    void closing.then(() => (closed = true));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(closed).toBe(false);
    service.resolve('late');
    expect(await pending).toBe('late');
    await closing;
    expect(cache.health().state).toBe('down');
    expect(lines.of('log', 'final statistics')).toEqual([
      expect.stringMatching(
        /^\[default\] final statistics: 3 operations, hit rate 33\.3 %, 1 hits, 2 misses/,
      ),
    ]);
  });

  it('decorated methods still answer in the shutdown hooks of others', async () => {
    @Injectable()
    class Last implements OnApplicationShutdown {
      answers: string[] = [];
      constructor(private readonly service: Service) {}
      async onApplicationShutdown(): Promise<void> {
        this.answers.push(await this.service.get('x'));
      }
    }
    const { app } = await boot({}, new Lines(), [Last as never]);
    const last = app.get(Last);
    await app.close();
    expect(last.answers).toEqual(['x']);
  });

  it('closing twice is closing once', async () => {
    const { app, lines, cache } = await boot({});
    await cache.close();
    await app.close();
    await cache.onApplicationShutdown();
    expect(lines.of('log', 'final statistics')).toHaveLength(1);
  });
});

describe('statistics', () => {
  it('are logged at INFO after 100 operations, and then at most once per interval', async () => {
    const clock = new VirtualClock();
    const { app, lines, service } = await boot({ clock, logOperations: false });
    const read = async (times: number) => {
      for (let i = 0; i < times; i++) await service.get('x');
    };
    await read(99);
    clock.advance(1_000);
    expect(lines.of('log', ' statistics: ')).toEqual([]);
    await read(1);
    clock.advance(1_000);
    expect(lines.of('log', ' statistics: ')).toEqual([
      expect.stringContaining('100 operations, hit rate 99.0 %'),
    ]);
    await read(500);
    clock.advance(5_000);
    expect(lines.of('log', ' statistics: ')).toHaveLength(1);
    clock.advance(5_000);
    expect(lines.of('log', ' statistics: ')).toHaveLength(2);
    clock.advance(60_000);
    expect(lines.of('log', ' statistics: ')).toHaveLength(2);
    await app.close();
  });

  it('0: never', async () => {
    const clock = new VirtualClock();
    const { app, lines, service } = await boot({ clock, statsLogEvery: 0 });
    for (let i = 0; i < 300; i++) await service.get('x');
    clock.advance(60_000);
    expect(lines.of('log', ' statistics: ')).toEqual([]);
    await app.close();
  });
});

describe('operations at DEBUG', () => {
  const reads = async (options: CacheModuleOptions) => {
    const { app, lines, cache, service } = await boot(options);
    await service.get('x');
    await service.get('x');
    await cache.delete('a', 'x');
    await app.close();
    return lines.of('debug', /a:x/);
  };

  it('hits, misses and invalidations, outside production', async () => {
    expect(await reads({ production: false })).toEqual([
      expect.stringContaining('miss a:x'),
      expect.stringContaining('l1-hit a:x'),
      expect.stringContaining('invalidation (local) a:x'),
    ]);
  });

  it('not in production, nor when told not to; and in production when told to', async () => {
    expect(await reads({ production: true })).toEqual([]);
    expect(await reads({ production: false, logOperations: false })).toEqual([]);
    expect(await reads({ production: true, logOperations: true })).toHaveLength(3);
  });
});

describe('losing the shared tier', () => {
  const cycle = async (production: boolean) => {
    const hub = new InProcessHub();
    const remote = createInProcessTier(hub);
    const { app, lines, cache, service } = await boot({ remote, production, logOperations: false });
    await until(() => cache.health().state === 'up');
    return { app, lines, cache, service, hub };
  };

  it.each([
    [true, 'fatal'],
    [false, 'warn'],
  ])('production %s: one line at %s per outage, and one when it is back', async (production, level) => {
    const { app, lines, cache, service, hub } = await cycle(production);
    for (let outage = 1; outage <= 2; outage++) {
      hub.down();
      await until(() => cache.health().state === 'degraded');
      expect(await service.get(`x${outage}`)).toBe(`x${outage}`);
      await until(() => lines.of(level, 'shared tier is down').length === outage);
      hub.up();
      await until(() => cache.health().state === 'up' && lines.of('log', 'is back').length === outage);
    }
    expect(lines.of(level, 'shared tier is down')).toHaveLength(2);
    await app.close();
  });

  it('an invalidation that is not acknowledged is a WARN with its keys and tags', async () => {
    const { app, lines, cache, hub } = await cycle(true);
    hub.down();
    await cache.invalidate({ keys: [{ namespace: 'a', id: 'k1' }], tags: ['t1'] });
    await until(() => lines.of('warn', 'not acknowledged').length > 0);
    expect(lines.of('warn', 'not acknowledged')[0]).toMatch(/a:k1, tag t1/);
    hub.up();
    await app.close();
  });
});

it('a background load that fails is an ERROR with its key', async () => {
  const clock = new VirtualClock();
  const lines = new Lines();
  const { app, cache } = await boot(
    { clock, logOperations: false, namespaces: { a: { ttl: '10s', staleWhileRevalidate: '1m' } } },
    lines,
  );
  await cache.getOrSet('a', 'x', () => 'old');
  clock.advance(11_000);
  const failing = () => Promise.reject(new Error('database'));
  expect(await cache.getOrSet<string>('a', 'x', failing)).toBe('old');
  await until(() => lines.of('error', /a:x failed: database/).length === 1);
  await app.close();
});

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within 5 s: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
