import { Injectable, Module, type DynamicModule, type Type } from '@nestjs/common';
import { Cron, ScheduleModule, SchedulerRegistry } from '@nestjs/schedule';
import { Test, type TestingModule } from '@nestjs/testing';
import { Cacheable, CacheModule, CacheService, getWarmingToken, type WarmingPort } from 'nestjs-strata';
import {
  CacheWarming,
  CacheWarmingModule,
  WarmCache,
  type CacheWarmingModuleOptions,
  type WarmingContext,
  type WarmingStrategy,
  type WarmItem,
} from 'nestjs-strata/warming';
import { createInProcessTier, InProcessHub, type RemoteTier } from 'nestjs-strata/engine';

const nothing = (): void => {};
const silent = {
  log: nothing,
  error: nothing,
  warn: nothing,
  debug: nothing,
  verbose: nothing,
  fatal: nothing,
};
const JOB = 'warm-instrument-cache';

@Injectable()
class Instruments {
  readonly loads: string[] = [];

  load(symbol: string): { symbol: string; load: number } {
    this.loads.push(symbol);
    return { symbol, load: this.loads.length };
  }

  @WarmCache('instrument-cache')
  *warmTop(): Iterable<WarmItem> {
    for (const id of ['AAPL', 'MSFT', 'NVDA'])
      yield { namespace: 'instruments', id, load: () => this.load(id) };
  }
}

@Injectable()
class HostCron {
  ticks = 0;

  @Cron('* * * * * *', { name: 'host-cron' })
  tick(): void {
    this.ticks += 1;
  }
}

@Module({ providers: [Instruments, HostCron], exports: [Instruments, HostCron] })
class HostModule {}

const cacheModule = (remote: RemoteTier | null = null) =>
  CacheModule.forRoot({
    isGlobal: true,
    namespaces: { instruments: { ttl: '1h' }, prices: { ttl: '1m' } },
    remote,
  });

let app: TestingModule | undefined;

async function boot(
  options: CacheWarmingModuleOptions = {},
  more: {
    before?: (Type | DynamicModule)[];
    after?: (Type | DynamicModule)[];
    providers?: Type[];
  } = {},
): Promise<TestingModule> {
  const warming = CacheWarmingModule.forRoot({ awaitStartup: true, ...options });
  app = await Test.createTestingModule({
    imports: [...(more.before ?? []), cacheModule(), HostModule, warming, ...(more.after ?? [])],
    providers: more.providers ?? [],
  })
    .setLogger(silent)
    .compile();
  await app.init();
  return app;
}

afterEach(async () => {
  await app?.close();
  app = undefined;
});

async function until(what: () => boolean | Promise<boolean>, ms = 8_000): Promise<void> {
  const end = Date.now() + ms;
  while (!(await what())) {
    if (Date.now() > end) throw new Error('did not happen in time');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('the cron job of a strategy', () => {
  const schedule = () => ScheduleModule.forRoot();
  const hosts: [string, Parameters<typeof boot>[1], CacheWarmingModuleOptions?][] = [
    ["with the host's ScheduleModule before", { before: [schedule()] }],
    ["with the host's ScheduleModule after", { after: [schedule()] }],
    ['without a ScheduleModule', {}],
    ['imported twice', { before: [schedule()], after: [CacheWarmingModule.forRoot({ awaitStartup: true })] }],
    ['imported twice without a ScheduleModule', { after: [CacheWarmingModule.forRoot()] }],
  ];

  it.each(hosts)('is registered once, %s', async (_, modules) => {
    const host = await boot({}, modules);
    const registry = host.get(SchedulerRegistry);
    expect([...registry.getCronJobs().keys()].filter((name) => name.startsWith('warm-'))).toEqual([JOB]);
    const next = registry.getCronJob(JOB).nextDate().toMillis();
    expect(next % 300_000).toBe(0);
    expect(host.get<WarmingPort>(getWarmingToken()).jobs()).toContainEqual(
      expect.objectContaining({ name: JOB, kind: 'cron', nextRun: next, running: false }),
    );
  });

  it.each(hosts.slice(0, 2).concat(hosts.slice(3, 4)))(
    "leaves the host's own crons running once, %s",
    async (_, modules) => {
      const host = await boot({}, modules);
      expect([...host.get(SchedulerRegistry).getCronJobs().keys()].sort()).toEqual(['host-cron', JOB]);
      const cron = host.get(HostCron);
      await until(() => cron.ticks > 0);
      const before = cron.ticks;
      const began = Date.now();
      await until(() => cron.ticks >= before + 2);
      // Two more ticks of a cron that runs each second take more than one second; of a doubled one, less.
      expect(Date.now() - began).toBeGreaterThan(1_000);
    },
  );

  it("does not wake the host's crons where the host has no ScheduleModule", async () => {
    const host = await boot({ intervalSeconds: 1 });
    await until(() => host.get(Instruments).loads.length >= 6);
    expect(host.get(HostCron).ticks).toBe(0);
  });

  it('is gone after the application has closed', async () => {
    const host = await boot();
    const registry = host.get(SchedulerRegistry);
    const job = registry.getCronJob(JOB);
    await host.close();
    expect(job.isActive).toBe(false);
    expect(registry.getCronJobs().size).toBe(0);
  });

  it('reloads what is still good, so that its full TTL begins anew', async () => {
    const host = await boot({ intervalSeconds: 1 });
    const cache = host.get(CacheService);
    const first = await cache.get<{ load: number }>('instruments', 'AAPL');
    await until(async () => {
      const now = await cache.get<{ load: number }>('instruments', 'AAPL');
      return now !== undefined && now.load > (first?.load ?? 0);
    });
    expect(await cache.namespace('instruments').ttl('AAPL')).toBeGreaterThan(3_590_000);
  });

  it('takes its interval from the environment', async () => {
    process.env['CACHE_WARMING_INTERVAL'] = '600';
    try {
      const host = await boot();
      expect(host.get(SchedulerRegistry).getCronJob(JOB).cronTime.source).toBe('0 */10 * * * *');
    } finally {
      delete process.env['CACHE_WARMING_INTERVAL'];
    }
  });

  it('refuses a job name that the host has taken', async () => {
    class Clash {
      @WarmCache({ name: 'clash', jobName: 'host-cron' })
      warm(): void {}
    }
    await expect(boot({}, { before: [schedule()], providers: [Clash] })).rejects.toThrow(/host-cron/);
  });
});

describe('warming at start-up', () => {
  it('has everything in the cache before the application is ready, if asked', async () => {
    const host = await boot();
    expect(host.get(Instruments).loads).toEqual(['AAPL', 'MSFT', 'NVDA']);
    expect(await host.get(CacheService).get('instruments', 'NVDA')).toEqual({ symbol: 'NVDA', load: 3 });
  });

  it('does not hold the application up if not asked', async () => {
    let release!: () => void;
    const held = new Promise<void>((resolve) => (release = resolve));
    const slow: WarmingStrategy = { name: 'slow', warm: () => held };
    const host = await boot({ awaitStartup: false, strategies: [slow] });
    const startup = () =>
      host
        .get(CacheWarming)
        .jobs()
        .find(({ name }) => name === 'slow');
    expect(startup()?.running).toBe(true);
    release();
    await until(() => startup()?.running === false);
  });

  it("leaves the other strategies alone when one fails, and the application's start too", async () => {
    const broken: WarmingStrategy = {
      name: 'broken',
      warm: () => Promise.reject(new Error('upstream is down')),
    };
    const host = await boot({ strategies: [broken] });
    expect(host.get(Instruments).loads).toHaveLength(3);
    expect(host.get(CacheWarming).metrics()).toEqual([
      expect.objectContaining({
        strategy: 'broken',
        runs: 1,
        success: 0,
        failures: 1,
        consecutiveFailures: 1,
        last: expect.objectContaining({ success: false, error: 'upstream is down' }),
      }),
      expect.objectContaining({
        strategy: 'instrument-cache',
        runs: 1,
        success: 1,
        failures: 0,
        itemsProcessed: 3,
      }),
    ]);
  });

  it('is skipped on a warm cache with onStartup if-cold, and done on a cold one', async () => {
    const host = await boot({ onStartup: 'if-cold' });
    expect(host.get(Instruments).loads).toHaveLength(3);
    const warming = host.get(CacheWarming);
    expect(await warming.isWarmupNeeded()).toBe(false);
    await host.get(CacheService).clear();
    expect(await warming.isWarmupNeeded()).toBe(true);
  });

  it('is off with enabled: false, together with the schedule; the manual trigger works', async () => {
    const host = await boot({ enabled: false });
    expect(host.get(Instruments).loads).toEqual([]);
    expect(host.get(SchedulerRegistry).getCronJobs().size).toBe(0);
    expect(host.get(CacheWarming).jobs()).toEqual([]);
    expect(await host.get(CacheWarming).trigger()).toEqual([
      expect.objectContaining({ strategy: 'instrument-cache', success: true, itemsProcessed: 3 }),
    ]);
  });
});

describe('the manual trigger', () => {
  class Prices implements WarmingStrategy {
    readonly name = 'prices';
    readonly startup = false;
    readonly cron = false;
    readonly namespaces = ['prices'];
    async warm(context: WarmingContext): Promise<void> {
      await context.refresh('prices', 'AAPL', () => 1);
    }
    load({ id }: { id: string }): string {
      if (id === 'GONE') throw new Error('no such symbol');
      return `price of ${id}`;
    }
  }

  it('runs one strategy and counts', async () => {
    const host = await boot({ strategies: [Prices] });
    const warming = host.get(CacheWarming);
    expect(await warming.trigger({ strategies: ['prices'] })).toEqual([
      {
        strategy: 'prices',
        success: true,
        itemsProcessed: 1,
        failures: 0,
        durationMs: expect.any(Number),
      },
    ]);
    expect(host.get(Instruments).loads).toHaveLength(3);
    await expect(warming.trigger({ strategies: ['nope'] })).rejects.toThrow(/prices, instrument-cache/);
  });

  it('loads explicit entries anew by the strategy that knows their namespace', async () => {
    const host = await boot({ strategies: [Prices] });
    const keys = ['AAPL', 'GONE'].map((id) => ({ namespace: 'prices', id }));
    expect(await host.get(CacheWarming).trigger({ keys })).toEqual([
      expect.objectContaining({
        strategy: 'prices',
        success: false,
        itemsProcessed: 1,
        failures: 1,
        error: 'no such symbol',
      }),
    ]);
    expect(await host.get(CacheService).get('prices', 'AAPL')).toBe('price of AAPL');
    expect(await host.get(CacheWarming).trigger({ keys: [{ namespace: 'instruments', id: 'X' }] })).toEqual([
      expect.objectContaining({ strategy: 'keys:instruments', success: false, failures: 1 }),
    ]);
  });

  it('does not run a strategy that is running', async () => {
    let release!: () => void;
    const held = new Promise<void>((resolve) => (release = resolve));
    const host = await boot({
      strategies: [{ name: 'slow', startup: false, cron: false, warm: () => held }],
    });
    const warming = host.get(CacheWarming);
    const first = warming.trigger({ strategies: ['slow'] });
    await until(() => warming.progress().length === 1);
    expect(await warming.trigger({ strategies: ['slow'] })).toEqual([
      expect.objectContaining({ strategy: 'slow', skipped: 'already-running', itemsProcessed: 0 }),
    ]);
    release();
    expect(await first).toEqual([expect.objectContaining({ success: true, itemsProcessed: 1 })]);
  });
});

describe('strategies', () => {
  it('are decorated classes, decorated methods of controllers too, listed classes with dependencies, and added ones', async () => {
    @Injectable()
    @WarmCache({ name: 'decorated-class' })
    class DecoratedClass {
      warm(): number {
        return 1;
      }
    }
    @Injectable()
    class Listed implements WarmingStrategy {
      readonly name = 'listed';
      constructor(private readonly instruments: Instruments) {}
      warm(): number {
        return this.instruments.loads.length >= 0 ? 2 : 0;
      }
    }
    const host = await boot({ strategies: [Listed], imports: [HostModule] }, { providers: [DecoratedClass] });
    const warming = host.get(CacheWarming);
    warming.add({ name: 'added', warm: () => 3 });
    expect(warming.metrics().map(({ strategy }) => strategy)).toEqual([
      'listed',
      'decorated-class',
      'instrument-cache',
      'added',
    ]);
    expect(host.get(SchedulerRegistry).doesExist('cron', 'warm-added')).toBe(true);
    expect(warming.remove('added')).toBe(true);
    expect(host.get(SchedulerRegistry).doesExist('cron', 'warm-added')).toBe(false);
  });

  it('need a name of their own', async () => {
    const twice: WarmingStrategy = { name: 'instrument-cache', warm: () => 1 };
    await expect(boot({ strategies: [twice] })).rejects.toThrow(/instrument-cache.*unique/);
  });

  it('with a wrong cron expression stop the boot', async () => {
    await expect(
      boot({ strategies: [{ name: 'odd', cron: 'every tuesday', warm: () => 1 }] }),
    ).rejects.toThrow(/"warming.cron" is "every tuesday"/);
  });

  it('belong to the cache they name', async () => {
    class Other {
      @WarmCache({ name: 'of-another-cache', cache: 'market' })
      warm(): void {}
    }
    const host = await boot({}, { providers: [Other] });
    expect(
      host
        .get(CacheWarming)
        .metrics()
        .map(({ strategy }) => strategy),
    ).toEqual(['instrument-cache']);
  });

  it('call a method once per list of arguments', async () => {
    @Injectable()
    class Service {
      readonly asked: unknown[][] = [];
      readonly symbols = ['AAPL', 'MSFT'];

      @WarmCache<Service>({ name: 'calls', calls: (self) => self.symbols.map((symbol) => [symbol, 1]) })
      find(symbol: string, depth: number): Promise<string> {
        this.asked.push([symbol, depth]);
        return Promise.resolve(symbol);
      }
    }
    const host = await boot({}, { providers: [Service] });
    expect(host.get(Service).asked).toEqual([
      ['AAPL', 1],
      ['MSFT', 1],
    ]);
  });

  it('three failed runs in a row are counted as such, and a good one ends the row', async () => {
    let failing = true;
    const flaky: WarmingStrategy = {
      name: 'flaky',
      startup: false,
      warm: () => (failing ? Promise.reject(new Error('no')) : 1),
    };
    const host = await boot({ strategies: [flaky] });
    const warming = host.get(CacheWarming);
    const inARow = () => warming.metrics().find(({ strategy }) => strategy === 'flaky')?.consecutiveFailures;
    for (let run = 0; run < 3; run += 1) await warming.trigger({ strategies: ['flaky'] });
    expect(inARow()).toBe(3);
    failing = false;
    await warming.trigger({ strategies: ['flaky'] });
    expect(inARow()).toBe(0);
  });
});

describe('two applications in one process', () => {
  it('have warming of their own', async () => {
    const one = await boot();
    const two = await Test.createTestingModule({
      imports: [cacheModule(), HostModule, CacheWarmingModule.forRoot({ awaitStartup: true })],
    })
      .setLogger(silent)
      .compile();
    try {
      await two.init();
      expect(two.get(CacheWarming)).not.toBe(one.get(CacheWarming));
      expect(two.get(Instruments).loads).toHaveLength(3);
    } finally {
      await two.close();
    }
  });
});

describe('a fleet of nodes', () => {
  const nodes: TestingModule[] = [];

  afterEach(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.close()));
  });

  async function join(hub: InProcessHub, strategy: WarmingStrategy, options: CacheWarmingModuleOptions = {}) {
    const tier = createInProcessTier(hub);
    const node = await Test.createTestingModule({
      imports: [
        cacheModule(tier),
        CacheWarmingModule.forRoot({ onStartup: false, strategies: [strategy], ...options }),
      ],
    })
      .setLogger(silent)
      .compile();
    nodes.push(node);
    await node.init();
    const job = () => node.get(SchedulerRegistry).getCronJob('warm-shared');
    return { warming: node.get(CacheWarming), cache: node.get(CacheService), tier, job };
  }

  it('warms on one node per moment, and never on two at once', async () => {
    const hub = new InProcessHub();
    const runs: { node: number; second: number }[] = [];
    let now = 0;
    let most = 0;
    for (let node = 0; node < 3; node += 1) {
      await join(
        hub,
        {
          name: 'shared',
          warm: async () => {
            runs.push({ node, second: Math.round(Date.now() / 1_000) });
            most = Math.max(most, (now += 1));
            await new Promise((resolve) => setImmediate(resolve));
            now -= 1;
          },
        },
        { intervalSeconds: 1 },
      );
    }
    await until(() => new Set(runs.map(({ second }) => second)).size >= 3);
    const seconds = runs.map(({ second }) => second);
    expect(new Set(seconds).size).toBe(seconds.length);
    expect(most).toBe(1);
  });

  it('does not do quick work again on a node whose clock is a little late', async () => {
    const hub = new InProcessHub();
    let runs = 0;
    const strategy: WarmingStrategy = { name: 'shared', warm: () => (runs += 1) };
    const punctual = await join(hub, strategy, { intervalSeconds: 86_400 });
    const late = await join(hub, strategy, { intervalSeconds: 86_400 });
    await punctual.job().fireOnTick();
    await late.job().fireOnTick();
    expect(runs).toBe(1);
    // What is asked for by hand is not held up by it.
    expect(await late.warming.trigger()).toEqual([expect.objectContaining({ success: true })]);
    expect(runs).toBe(2);
  });

  it('says so when another node is at it, and takes over when that node has died', async () => {
    const hub = new InProcessHub();
    let release!: () => void;
    const held = new Promise<void>((resolve) => (release = resolve));
    const one = await join(hub, { name: 'shared', cron: false, warm: () => held });
    const two = await join(hub, { name: 'shared', cron: false, warm: () => 1 });
    const first = one.warming.trigger();
    await until(() => one.warming.progress().length === 1);
    expect(await two.warming.trigger()).toEqual([expect.objectContaining({ skipped: 'held-elsewhere' })]);
    release();
    await first;
    expect(await two.warming.trigger()).toEqual([
      expect.objectContaining({ success: true, itemsProcessed: 1 }),
    ]);

    // A holder that died renews nothing: its lease ends by itself.
    const lock = '#lock:warming:shared';
    expect(await one.tier.acquire({ key: lock, token: 'dead-node', leaseMs: 600 })).toEqual({
      outcome: 'granted',
    });
    expect(await two.warming.trigger()).toEqual([expect.objectContaining({ skipped: 'held-elsewhere' })]);
    await until(async () => (await two.warming.trigger()).every(({ skipped }) => skipped === undefined));
  });

  it('warms all the same while the shared tier is away', async () => {
    const hub = new InProcessHub();
    const strategy: WarmingStrategy = {
      name: 'shared',
      cron: false,
      warm: () => [{ namespace: 'instruments', id: 'AAPL', load: () => 1 }],
    };
    const { warming } = await join(hub, strategy);
    hub.down();
    expect(await warming.trigger()).toEqual([expect.objectContaining({ success: true, itemsProcessed: 1 })]);
  });

  it('loads each entry once at start-up, although each node warms its own memory', async () => {
    const hub = new InProcessHub();
    let loads = 0;
    const strategy: WarmingStrategy = {
      name: 'shared',
      cron: false,
      warm: () => ['AAPL', 'MSFT'].map((id) => ({ namespace: 'instruments', id, load: () => (loads += 1) })),
    };
    const started = { onStartup: true, awaitStartup: true };
    const all = await Promise.all([1, 2, 3].map(() => join(hub, strategy, started)));
    expect(loads).toBe(2);
    for (const { cache } of all) expect(cache.namespace('instruments').peek('MSFT')).toBeDefined();
  });
});

describe('cached methods called by a strategy', () => {
  it('load anew in a manual or scheduled run, and only fill gaps at start-up', async () => {
    @Injectable()
    class Cached {
      loads = 0;
      inner = 0;

      @WarmCache<Cached>({ name: 'cached', cron: false, calls: [['TSLA']] })
      @Cacheable({ namespace: 'instruments', key: (symbol) => symbol })
      async find(symbol: string): Promise<string> {
        this.loads += 1;
        await this.helper('x');
        return `${symbol} ${this.loads}`;
      }

      @Cacheable({ namespace: 'prices', key: (id) => id })
      helper(id: string): Promise<string> {
        this.inner += 1;
        return Promise.resolve(id);
      }
    }
    const host = await boot({}, { providers: [Cached] });
    const cached = host.get(Cached);
    expect(await cached.find('TSLA')).toBe('TSLA 1');
    await host.get(CacheWarming).trigger({ strategies: ['cached'] });
    expect(await cached.find('TSLA')).toBe('TSLA 2');
    expect(cached.inner).toBe(1);
  });
});
