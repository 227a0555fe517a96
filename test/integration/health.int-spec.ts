import { Catch, Controller, Get, Module, type ArgumentsHost, type INestApplication } from '@nestjs/common';
import { HealthCheckService, TerminusModule } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import { CacheModule, CacheService } from 'nestjs-strata';
import { createInProcessTier, InProcessHub, type RemoteTier } from 'nestjs-strata/engine';
import {
  CacheHealthModule,
  StrataHealthIndicator,
  type CacheHealthModuleOptions,
} from 'nestjs-strata/health';
import request from 'supertest';
import { httpAdapter } from '../support/http-platform.js';

const nothing = (): void => {};
const silent = {
  log: nothing,
  error: nothing,
  warn: nothing,
  debug: nothing,
  verbose: nothing,
  fatal: nothing,
};

let app: INestApplication | undefined;

async function boot(
  options: CacheHealthModuleOptions = {},
  more: {
    remote?: RemoteTier | null;
    imports?: Parameters<typeof Module>[0]['imports'];
    set?: (app: INestApplication) => void;
  } = {},
): Promise<INestApplication> {
  const module = await Test.createTestingModule({
    imports: [
      CacheModule.forRoot({
        isGlobal: true,
        namespaces: { prices: { ttl: '1m' } },
        remote: more.remote ?? null,
      }),
      CacheHealthModule.forRoot(options),
      ...(more.imports ?? []),
    ],
  })
    .setLogger(silent)
    .compile();
  app = module.createNestApplication(httpAdapter());
  more.set?.(app);
  await app.listen(0, '127.0.0.1');
  return app;
}

const health = (path = '/health') => request(app!.getHttpServer()).get(path);

async function until(what: () => Promise<boolean>, ms = 5_000): Promise<void> {
  const end = Date.now() + ms;
  while (!(await what())) {
    if (Date.now() > end) throw new Error('did not happen in time');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

afterEach(async () => {
  await app?.close();
  app = undefined;
});

describe('GET /health', () => {
  it('says up, with the figures and what terminus says', async () => {
    await boot();
    const { body, headers } = await health().expect(200);
    expect(body).toMatchObject({
      status: 'up',
      performance: 'insufficient-data',
      hitRate: 0,
      latencyP95Ms: null,
      consistencyScore: null,
      recommendations: [],
      connectionHealthy: true,
      fallbackEnabled: false,
      metrics: { totalOperations: 0, sharedTier: 'none' },
      details: { cache: { status: 'up' } },
      error: {},
    });
    expect(headers['cache-control']).toBe('no-store');
  });

  it('stays up however low the hit rate', async () => {
    await boot();
    const prices = app!.get(CacheService).namespace('prices');
    for (let id = 0; id < 150; id += 1) await prices.get(`missing-${id}`);
    const { body } = await health().expect(200);
    expect(body).toMatchObject({ status: 'up', performance: 'critical', hitRate: 0 });
    expect((body as { recommendations: string[] }).recommendations).toEqual([
      expect.stringMatching(/hit rate of the last 5m is 0 %/),
    ]);
  });

  it('says degraded, with 200, while the shared tier is away, and up again when it is back', async () => {
    const hub = new InProcessHub();
    await boot({}, { remote: createInProcessTier(hub) });
    const status = async () => ((await health().expect(200)).body as { status: string }).status;
    await until(async () => (await status()) === 'up');
    hub.down();
    await until(async () => (await status()) === 'degraded');
    const { body } = await health().expect(200);
    expect(body).toMatchObject({
      connectionHealthy: false,
      fallbackEnabled: true,
      details: { cache: { status: 'degraded' } },
    });
    const loaded = await app!.get(CacheService).getOrSet('prices', 'AAPL', () => 1);
    expect(loaded).toBe(1);
    hub.up();
    await until(async () => (await status()) === 'up', 20_000);
  });

  it('says down with 503, and its own body whatever filters the host has', async () => {
    @Catch()
    class HostFilter {
      catch(_error: unknown, host: ArgumentsHost): void {
        host.switchToHttp().getResponse<{ status(code: number): { end(): void } }>().status(500).end();
      }
    }
    await boot({}, { set: (host) => host.useGlobalFilters(new HostFilter()) });
    await app!.get(CacheService).close();
    const { body } = await health().expect(503);
    expect(body).toMatchObject({
      status: 'down',
      error: { cache: { status: 'down' } },
      details: { cache: { status: 'down' } },
    });
  });

  it('is where the host wants it, or nowhere', async () => {
    await boot({ path: 'internal/cache-health' });
    await health('/internal/cache-health').expect(200);
    await health().expect(404);
    await app!.close();
    await boot({ controller: false });
    await health().expect(404);
  });
});

describe("the indicator in the host's own controller", () => {
  it('stands beside other checks', async () => {
    @Controller('status')
    class StatusController {
      constructor(
        private readonly checks: HealthCheckService,
        private readonly strata: StrataHealthIndicator,
      ) {}

      @Get()
      status(): Promise<unknown> {
        return this.checks.check([
          () => this.strata.check('strata'),
          () => ({ database: { status: 'up' as const } }),
        ]);
      }
    }
    const module = CacheHealthModule.forRoot({ controller: false });
    @Module({ imports: [TerminusModule, module], controllers: [StatusController] })
    class StatusModule {}
    await boot({ controller: false }, { imports: [StatusModule] });
    const { body } = await health('/status').expect(200);
    expect(body).toMatchObject({
      status: 'ok',
      details: { strata: { status: 'up', connectionHealthy: true }, database: { status: 'up' } },
    });
  });
});
