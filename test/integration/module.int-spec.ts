import { Inject, Injectable, Module } from '@nestjs/common';
import { InProcessHub, InvalidOptionsError, createInProcessTier } from '#tiered-cache';
import {
  CacheModule,
  type CacheModuleOptions,
  CacheNotFoundError,
  type CacheOptionsFactory,
  CacheService,
  DuplicateCacheError,
  getCacheOptionsToken,
  getCacheToken,
  InjectCache,
  type ResolvedCacheOptions,
} from '../../src/index.js';
import { bootBare, closeAll } from './decorators-support.js';

afterEach(closeAll);

const namespaces = { instruments: { ttl: '1h' } } as const;

@Injectable()
class Settings {
  readonly prefix = 'from-settings';
}
@Module({ providers: [Settings], exports: [Settings] })
class SettingsModule {}

@Injectable()
class Factory implements CacheOptionsFactory {
  async createCacheOptions(): Promise<CacheModuleOptions> {
    return { namespaces, prefix: 'from-class' };
  }
}
@Module({ providers: [Factory], exports: [Factory] })
class FactoryModule {}

describe('CacheModule.forRoot', () => {
  it('provides a CacheService that works without any option', async () => {
    const app = await bootBare({ imports: [CacheModule.forRoot()] });
    const cache = app.get(CacheService);
    cache.declareNamespace('x', { ttl: '1m' });
    await cache.set('x', 'a', 1);
    expect(await cache.get('x', 'a')).toBe(1);
    expect(cache.health().state).toBe('up');
  });

  it('constructs nothing: each application makes its own cache from one module object', async () => {
    const module = CacheModule.forRoot({ namespaces });
    const [one, two] = [await bootBare({ imports: [module] }), await bootBare({ imports: [module] })];
    await one.get(CacheService).set('instruments', 'A', 1);
    expect(await two.get(CacheService).get('instruments', 'A')).toBeUndefined();
    expect(one.get(CacheService).stats().writes).toBe(1);
    expect(two.get(CacheService).stats().writes).toBe(0);
    await one.close();
    await two.get(CacheService).set('instruments', 'A', 2);
    expect(await two.get(CacheService).get('instruments', 'A')).toBe(2);
  });

  it('wrong options fail at boot, not when the module is described', async () => {
    const module = CacheModule.forRoot({ stalenessBound: -1 });
    await expect(bootBare({ imports: [module] })).rejects.toThrow(InvalidOptionsError);
  });

  it('is global or not', async () => {
    @Injectable()
    class Needs {
      constructor(@InjectCache() readonly cache: CacheService) {}
    }
    @Module({ providers: [Needs] })
    class Feature {}
    const blind = bootBare({ imports: [CacheModule.forRoot({ namespaces }), Feature] });
    await expect(blind).rejects.toThrow(/Nest can't resolve dependencies of the Needs/);
    const app = await bootBare({ imports: [CacheModule.forRoot({ namespaces, isGlobal: true }), Feature] });
    expect(app.get(Needs, { strict: false }).cache).toBe(app.get(CacheService));
  });

  it('several independent caches, injected by name', async () => {
    @Injectable()
    class Uses {
      constructor(
        readonly usual: CacheService,
        @InjectCache('market') readonly market: CacheService,
        @Inject(getCacheOptionsToken('market')) readonly options: ResolvedCacheOptions,
      ) {}
    }
    const app = await bootBare({
      imports: [CacheModule.forRoot({ namespaces }), CacheModule.forRoot({ name: 'market', namespaces })],
      providers: [Uses],
    });
    const { usual, market, options } = app.get(Uses);
    expect([usual.name, usual.prefix, market.name, market.prefix]).toEqual([
      'default',
      'strata',
      'market',
      'strata-market',
    ]);
    expect(options).toMatchObject({ name: 'market', prefix: 'strata-market', statsLogEvery: 100 });
    expect(app.get(getCacheToken('market'))).toBe(market);
    await usual.set('instruments', 'A', 1);
    expect(await market.get('instruments', 'A')).toBeUndefined();
  });

  it.each([[undefined], ['market']])('the same name twice fails the boot and says so (%s)', async (name) => {
    const twice = bootBare({
      imports: [CacheModule.forRoot({ name, namespaces }), CacheModule.forRoot({ name, prefix: 'other' })],
    });
    await expect(twice).rejects.toThrow(DuplicateCacheError);
    await expect(twice).rejects.toThrow(`"${name ?? 'default'}"`);
  });

  it('one module object imported by several modules is one cache', async () => {
    const module = CacheModule.forRoot({ namespaces });
    @Module({ imports: [module] })
    class One {}
    @Module({ imports: [module] })
    class Two {}
    await bootBare({ imports: [One, Two, module] });
  });

  it('a shared tier of one’s own: two applications over one hub', async () => {
    const hub = new InProcessHub();
    const make = () =>
      bootBare({ imports: [CacheModule.forRoot({ namespaces, remote: createInProcessTier(hub) })] });
    const [one, two] = [await make(), await make()];
    await ready(one.get(CacheService));
    await ready(two.get(CacheService));
    await one.get(CacheService).set('instruments', 'A', 'shared');
    expect(await two.get(CacheService).get('instruments', 'A')).toBe('shared');
  });
});

describe('CacheModule.forRootAsync', () => {
  const prefixOf = async (module: ReturnType<typeof CacheModule.forRootAsync>) =>
    (await bootBare({ imports: [module] })).get(CacheService).prefix;

  it('useFactory, with imports and inject', async () => {
    const module = CacheModule.forRootAsync({
      imports: [SettingsModule],
      inject: [Settings],
      useFactory: async ({ prefix }: Settings) => ({ prefix, namespaces }),
    });
    expect(await prefixOf(module)).toBe('from-settings');
  });

  it('useClass', async () => {
    expect(await prefixOf(CacheModule.forRootAsync({ useClass: Factory }))).toBe('from-class');
  });

  it('useExisting', async () => {
    const module = CacheModule.forRootAsync({ imports: [FactoryModule], useExisting: Factory });
    expect(await prefixOf(module)).toBe('from-class');
  });

  it('name and isGlobal stand outside the factory, as tokens are made of them', async () => {
    @Module({ providers: [{ provide: 'prefix', useFactory: (c: CacheService) => c.prefix, inject: [getCacheToken('market')] }] }) // prettier-ignore
    class Feature {}
    const app = await bootBare({
      imports: [
        CacheModule.forRootAsync({ name: 'market', isGlobal: true, useFactory: () => ({}) }),
        Feature,
      ],
    });
    expect(app.get('prefix', { strict: false })).toBe('strata-market');
    const inside = CacheModule.forRootAsync({ useFactory: () => ({ name: 'market' }) });
    await expect(bootBare({ imports: [inside] })).rejects.toThrow(/"name" is "market".*forRootAsync/);
  });

  it('a factory that fails, fails the boot with its own error', async () => {
    const failing = CacheModule.forRootAsync({
      useFactory: () => {
        throw new RangeError('no configuration');
      },
    });
    await expect(bootBare({ imports: [failing] })).rejects.toThrow(RangeError);
  });

  it('a factory that answers nothing fails the boot', async () => {
    const nothing = CacheModule.forRootAsync({ useFactory: () => undefined as never });
    await expect(bootBare({ imports: [nothing] })).rejects.toThrow(InvalidOptionsError);
  });
});

describe('CacheModule.forFeature', () => {
  it('declares namespaces, before or after the cache is there, global or not', async () => {
    @Module({ imports: [CacheModule.forFeature({ namespaces: { prices: { ttl: '1s' } } })] })
    class Prices {}
    const app = await bootBare({ imports: [Prices, CacheModule.forRoot({ namespaces })] });
    expect([...app.get(CacheService).namespaces].sort()).toEqual(['instruments', 'prices']);
    const later = await bootBare({ imports: [CacheModule.forRoot({ namespaces }), Prices] });
    expect(later.get(CacheService).namespaces).toContain('prices');
  });

  it('on a cache by name; one that does not exist fails the boot', async () => {
    const feature = CacheModule.forFeature({ name: 'market', namespaces: { ticks: { ttl: '1s' } } });
    const app = await bootBare({ imports: [feature, CacheModule.forRoot({ name: 'market' })] });
    expect(app.get<CacheService>(getCacheToken('market')).namespaces).toEqual(['ticks']);
    const lost = bootBare({ imports: [feature, CacheModule.forRoot()] });
    await expect(lost).rejects.toThrow(CacheNotFoundError);
    await expect(lost).rejects.toThrow(/forFeature.*"market".*default/);
  });

  it('twice with equal options is fine, with different ones it fails the boot', async () => {
    const feature = (ttl: '1s' | '2s') => CacheModule.forFeature({ namespaces: { ticks: { ttl } } });
    await bootBare({ imports: [CacheModule.forRoot(), feature('1s'), feature('1s')] });
    await expect(
      bootBare({ imports: [CacheModule.forRoot(), feature('1s'), feature('2s')] }),
    ).rejects.toThrow('namespaces.ticks');
  });
});

describe('wrong configuration fails at boot, naming option, value and what is allowed', () => {
  it.each<[string, Record<string, unknown>, RegExp]>([
    ['an option that does not exist', { stalenesBound: 5 }, /"stalenesBound" is 5.*stalenessBound/],
    ['a prefix with blanks', { prefix: 'a b' }, /"prefix" is "a b"/],
    ['redis that is no URL', { redis: 'localhost:6379' }, /"redis" is "localhost:6379".*redis:\/\//],
    ['redis that is a number', { redis: 6379 }, /"redis" is 6379/],
    ['a port out of range', { redis: { port: 70_000 } }, /"redis.port" is 70000/],
    ['no entries', { l1: { maxEntries: 0 } }, /"l1.maxEntries" is 0/],
    ['no bytes', { l1: { maxBytes: -1 } }, /"l1.maxBytes" is -1/],
    ['l1 that is no object', { l1: 5 }, /"l1" is 5/],
    ['a bound too small', { stalenessBound: '1ms' }, /"stalenessBound" is "1ms"/],
    ['a namespace without a TTL', { namespaces: { a: {} } }, /"namespaces.a.ttl" is undefined/],
    ['a namespace with TTL 0', { namespaces: { a: { ttl: 0 } } }, /"namespaces.a.ttl" is 0/],
    ['a namespace with a name of its own', { namespaces: { 'a b': { ttl: 1 } } }, /"namespaces" is "a b"/],
    [
      'an option of a namespace that does not exist',
      { namespaces: { a: { ttl: 1, tll: 1 } } },
      /namespaces\.a\.tll/,
    ],
    ['statistics after -1 operations', { statsLogEvery: -1 }, /"statsLogEvery" is -1/],
    ['production as text', { production: 'yes' }, /"production" is "yes"/],
    ['classes that are no list', { classes: {} }, /"classes"/],
  ])('%s', async (_name, options, message) => {
    const booting = bootBare({ imports: [CacheModule.forRoot(options)] });
    await expect(booting).rejects.toThrow(InvalidOptionsError);
    await expect(booting).rejects.toThrow(message);
    await expect(booting).rejects.toMatchObject({ code: 'STRATA_INVALID_OPTIONS' });
  });

  it('a name that cannot be one is refused at once', () => {
    expect(() => CacheModule.forRoot({ name: 'my cache' })).toThrow(InvalidOptionsError);
    expect(() => getCacheToken('')).toThrow(InvalidOptionsError);
  });

  it('a password in a mistyped URL is not shown', async () => {
    const booting = bootBare({ imports: [CacheModule.forRoot({ redis: 'http://:secret@cache' })] });
    await expect(booting).rejects.toThrow(/"redis" is "http:\/\/\*\*\*@cache"/);
  });
});

async function ready(cache: CacheService): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!cache.health().l1.serving && Date.now() < deadline) await new Promise((r) => setTimeout(r, 5));
}
