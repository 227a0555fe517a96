import {
  Body,
  Controller,
  Injectable,
  Module,
  Post,
  ValidationPipe,
  type CanActivate,
  type DynamicModule,
  type ExecutionContext,
  type INestApplication,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { CacheModule, CacheService } from 'nestjs-strata';
import {
  CacheAdminModule,
  CacheAdminService,
  InvalidateRequest,
  toAddress,
  type CacheAdminModuleOptions,
} from 'nestjs-strata/admin';
import { CacheWarmingModule } from 'nestjs-strata/warming';
import request from 'supertest';
import { httpAdapter } from '../support/http-platform.js';

const TOKEN = 'correct-horse-battery';

/** Lines written through Nest's logger. */
class Lines {
  readonly all: string[] = [];
  log = (line: unknown): void => void this.all.push(String(line));
  warn = this.log;
  error = this.log;
  debug = (): void => {};
  verbose = (): void => {};
  fatal = this.log;
}

let app: INestApplication | undefined;
let lines: Lines;

async function boot(
  admin: CacheAdminModuleOptions | DynamicModule = {},
  more: { imports?: DynamicModule['imports']; set?: (app: INestApplication) => void } = {},
): Promise<INestApplication> {
  lines = new Lines();
  const module = await Test.createTestingModule({
    imports: [
      CacheModule.forRoot({
        isGlobal: true,
        namespaces: { prices: { ttl: '1m' }, instruments: { ttl: '1h' } },
      }),
      'module' in admin ? admin : CacheAdminModule.forRoot(admin),
      ...(more.imports ?? []),
    ],
  })
    .setLogger(lines)
    .compile();
  app = module.createNestApplication(httpAdapter());
  more.set?.(app);
  await app.listen(0, '127.0.0.1');
  const cache = app.get(CacheService);
  for (const id of ['AAPL', 'MSFT']) await cache.set('prices', id, 1, { tags: [`symbol:${id}`] });
  await cache.set('instruments', 'AAPL', { name: 'Apple' }, { tags: ['symbol:AAPL', 'user:7'] });
  return app;
}

/** Express believes a proxy when told; Fastify has been told when it was made. */
function trustProxy(host: INestApplication): void {
  if (host.getHttpAdapter().getType() === 'express')
    host.getHttpAdapter().getInstance().set('trust proxy', true);
}

const http = () => request(app!.getHttpServer());
const invalidate = (body: object) => http().post('/admin/cache/invalidate').send(body);
const prices = () => app!.get(CacheService).namespace('prices');

afterEach(async () => {
  await app?.close();
  app = undefined;
});

describe('the admin endpoints', () => {
  it('answer the figures of the cache', async () => {
    await boot();
    await app!.get(CacheService).get('prices', 'AAPL');
    await app!.get(CacheService).get('prices', 'NONE');
    const { body, headers } = await http().get('/admin/cache/metrics').expect(200);
    expect(body).toMatchObject({ hits: 1, misses: 1, totalOperations: 2, hitRate: 50, errorRate: 0 });
    for (const key of ['errors', 'sourceLoads', 'averageResponseTimeMs', 'tiers', 'namespaces']) {
      expect(body).toHaveProperty(key);
    }
    expect(headers['cache-control']).toBe('no-store');
  });

  it('answer health and namespaces', async () => {
    await boot({ readOnly: true });
    const health = await http().get('/admin/cache/health').expect(200);
    expect(health.body).toMatchObject({
      state: 'up',
      remote: { configured: false },
      readOnly: true,
      sharedTier: null,
    });
    const namespaces = await http().get('/admin/cache/namespaces').expect(200);
    expect((namespaces.body as { name: string }[]).map(({ name }) => name)).toEqual(
      expect.arrayContaining(['prices', 'instruments']),
    );
  });

  it('are where the host wants them, under its prefix', async () => {
    await boot({ path: 'internal/strata' }, { set: (host) => host.setGlobalPrefix('v1') });
    await http().get('/v1/internal/strata/metrics').expect(200);
    await http().get('/admin/cache/metrics').expect(404);
  });

  it('are left out with controllers: false', async () => {
    await boot({ controllers: false });
    await http().get('/admin/cache/metrics').expect(404);
    expect(app!.get(CacheAdminService).metrics()).toHaveProperty('hits');
  });
});

describe('POST invalidate', () => {
  it.each([
    [{ keys: ['prices:AAPL'] }, { prices: 1 }],
    [{ keys: [{ namespace: 'prices', id: 'AAPL' }] }, { prices: 1 }],
    [{ tags: ['symbol:AAPL'] }, { prices: 1, instruments: 1 }],
    [{ symbol: 'AAPL' }, { prices: 1, instruments: 1 }],
    [{ user: '7' }, { instruments: 1 }],
    [{ namespaces: ['prices'] }, { prices: 2 }],
    [{ pattern: 'prices:M*' }, { prices: 1 }],
    [{ patterns: ['prices:M*', 'instruments:*'] }, { prices: 1, instruments: 1 }],
    [{ all: true }, { prices: 2, instruments: 1 }],
  ])('%j: counts %j, and they are gone', async (body, counts) => {
    await boot();
    const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
    const dry = await invalidate({ ...body, dryRun: true }).expect(200);
    expect(dry.body).toMatchObject({ dryRun: true, total, counts });
    const real = await invalidate(body).expect(200);
    expect(real.body).toMatchObject({ dryRun: false, total, counts, acknowledged: true });
    const cache = app!.get(CacheService);
    const left = { prices: 2, instruments: 1 };
    for (const [namespace, ids] of [
      ['prices', ['AAPL', 'MSFT']],
      ['instruments', ['AAPL']],
    ] as const) {
      for (const id of ids) if (!(await cache.namespace(namespace).has(id))) left[namespace] -= 1;
    }
    const expected: Record<string, number | undefined> = counts;
    expect(left).toEqual({
      prices: 2 - (expected['prices'] ?? 0),
      instruments: 1 - (expected['instruments'] ?? 0),
    });
  });

  it.each([
    [{}, /what to invalidate/],
    [{ all: false }, /what to invalidate/],
    [{ keys: [] }, /what to invalidate/],
    [{ everything: true }, /everything should not exist/],
    [{ all: 'true' }, /all must be a boolean/],
    [{ keys: ['no-colon'] }, /keys/],
    [{ keys: [{ namespace: 'prices', id: 'A', more: 1 }] }, /keys/],
    [{ tags: 'symbol:AAPL' }, /tags must be an array/],
    [{ tags: [''] }, /tags should not be empty/],
    [{ user: 7 }, /user must be a string/],
    [{ namespaces: ['unknown'] }, /unknown.*prices/],
    [{ keys: ['unknown:1'] }, /unknown.*prices/],
    [[], /JSON object/],
  ])('%j is a 400 that says why, and nothing goes', async (body, why) => {
    await boot();
    const answer = await invalidate(body).expect(400);
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
    expect(answer.body).toMatchObject({ status: 400, detail: expect.stringMatching(why) });
    expect(prices().peek('AAPL')).toBe(1);
  });

  it('without a body is a 400', async () => {
    await boot();
    await http().post('/admin/cache/invalidate').expect(400);
  });

  it.each([
    ['strips unknown fields', new ValidationPipe({ whitelist: true, transform: true })],
    ['validates custom parameters', new ValidationPipe({ whitelist: true, validateCustomDecorators: true })],
    [
      'converts',
      new ValidationPipe({ transform: true, transformOptions: { enableImplicitConversion: true } }),
    ],
  ])('is as strict where a global pipe %s', async (_, pipe) => {
    await boot({}, { set: (host) => host.useGlobalPipes(pipe) });
    await invalidate({ keys: ['prices:AAPL'], everything: 1 }).expect(400);
    await invalidate({ all: 'no' }).expect(400);
    await invalidate({ keys: ['prices:AAPL'] }).expect(200);
  });
});

describe('without any access option', () => {
  it('direct requests from this machine are served', async () => {
    await boot();
    await http().get('/admin/cache/health').expect(200);
    await invalidate({ all: true }).set('sec-fetch-site', 'same-origin').expect(200);
  });

  it.each(['x-forwarded-for', 'forwarded', 'via', 'x-real-ip'])(
    'what a proxy forwards (%s) is refused, and told how to get access',
    async (header) => {
      await boot({}, { set: trustProxy });
      const answer = await http().get('/admin/cache/health').set(header, '127.0.0.1').expect(403);
      expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
      expect((answer.body as { detail: string }).detail).toMatch(/CACHE_ADMIN_TOKEN.*guards/);
    },
  );

  it('a page of another name that resolves to this machine is refused (DNS rebinding)', async () => {
    await boot();
    await http().get('/admin/cache/health').set('host', 'evil.example').expect(403);
  });

  it.each([
    { 'sec-fetch-site': 'cross-site' },
    { origin: 'https://evil.example' },
    { origin: 'null', 'content-type': 'application/x-www-form-urlencoded' },
  ])('a page of another site changes nothing: %j', async (headers) => {
    await boot();
    await invalidate({ all: true }).set(headers).expect(403);
    expect(prices().peek('AAPL')).toBe(1);
  });
});

describe('with a token', () => {
  it('only its bearer is served, from anywhere', async () => {
    await boot({ token: TOKEN });
    const answer = await http().get('/admin/cache/metrics').expect(401);
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
    expect((answer.body as { detail: string }).detail).toMatch(/Authorization: Bearer/);
    for (const wrong of [`Bearer ${TOKEN}x`, 'Bearer', `Basic ${TOKEN}`, TOKEN]) {
      await http().get('/admin/cache/metrics').set('authorization', wrong).expect(401);
    }
    await http()
      .get('/admin/cache/metrics')
      .set('authorization', `Bearer ${TOKEN}`)
      .set('x-forwarded-for', '203.0.113.9')
      .expect(200);
  });

  it('two tokens are valid while they are being changed', async () => {
    await boot({ token: [TOKEN, 'the-next-token'] });
    for (const token of [TOKEN, 'the-next-token']) {
      await http().get('/admin/cache/metrics').set('authorization', `bearer ${token}`).expect(200);
    }
  });

  it('may come from an async factory', async () => {
    await boot(CacheAdminModule.forRootAsync({ useFactory: () => Promise.resolve({ token: TOKEN }) }));
    await http().get('/admin/cache/metrics').expect(401);
    await http().get('/admin/cache/metrics').set('authorization', `Bearer ${TOKEN}`).expect(200);
  });
});

describe("with the host's guard", () => {
  @Injectable()
  class Staff {
    readonly keys = new Map([['key-of-ann', 'ann']]);
  }
  @Module({ providers: [Staff], exports: [Staff] })
  class StaffModule {}
  @Injectable()
  class StaffGuard implements CanActivate {
    constructor(private readonly staff: Staff) {}
    canActivate(context: ExecutionContext): boolean {
      const incoming = context
        .switchToHttp()
        .getRequest<{ headers: Record<string, string>; user?: { username: string } }>();
      const username = this.staff.keys.get(incoming.headers['x-key'] ?? '');
      if (username) incoming.user = { username };
      return username !== undefined;
    }
  }
  const guarded = { guards: [StaffGuard], imports: [StaffModule] };

  it('it decides, and the log names the user', async () => {
    await boot(guarded);
    await http().get('/admin/cache/metrics').expect(403);
    await invalidate({ symbol: 'AAPL' })
      .set('x-key', 'key-of-ann')
      .set('x-forwarded-for', '1.2.3.4')
      .expect(200);
    expect(lines.all.filter((line) => line.startsWith('admin:'))).toEqual([
      expect.stringMatching(/^admin: user "ann" from .*127\.0\.0\.1 invalidated symbol "AAPL": 2 entries/),
    ]);
  });

  it("pages of other sites are refused unless listed: their visitors' cookies are not their own", async () => {
    await boot({ ...guarded, allowedOrigins: ['https://ops.example.com'] });
    const from = (origin: string) =>
      invalidate({ all: true })
        .set('x-key', 'key-of-ann')
        .set('origin', origin)
        .set('sec-fetch-site', 'cross-site');
    await from('https://evil.example').expect(403);
    await from('https://ops.example.com').expect(200);
  });
});

describe('in production', () => {
  it.each([[{}], [{ open: true }]])('it does not boot without a token or guard: %j', async (options) => {
    await expect(boot({ ...options, production: true })).rejects.toMatchObject({
      code: 'STRATA_INVALID_OPTIONS',
      message: expect.stringContaining('admin.token'),
    });
  });

  it('it boots with a token', async () => {
    await boot({ production: true, token: TOKEN });
    await http().get('/admin/cache/metrics').expect(401);
  });
});

describe('opened explicitly', () => {
  it('anybody is served, but not a page of another site', async () => {
    await boot({ open: true });
    await http().get('/admin/cache/metrics').set('x-forwarded-for', '203.0.113.9').expect(200);
    await invalidate({ all: true }).set('sec-fetch-site', 'cross-site').expect(403);
  });
});

describe('read-only', () => {
  it('nothing changes, dry runs count', async () => {
    await boot({ readOnly: true });
    const answer = await invalidate({ all: true }).expect(403);
    expect((answer.body as { detail: string }).detail).toMatch(/read-only.*CACHE_ADMIN_READ_ONLY/);
    await invalidate({ all: true, dryRun: true }).expect(200);
    await http().post('/admin/cache/warming/trigger').expect(403);
    expect(prices().peek('AAPL')).toBe(1);
  });
});

describe('the audit log', () => {
  it('says who did what with how many entries, without tokens and ids of entries', async () => {
    await boot({ token: TOKEN });
    await invalidate({ keys: ['prices:AAPL'], tags: ['a\nforged line'] })
      .set('authorization', `Bearer ${TOKEN}`)
      .expect(200);
    await http().post('/admin/cache/invalidate').set('authorization', 'Bearer wrong-token').expect(401);
    const audit = lines.all.filter((line) => line.startsWith('admin:'));
    expect(audit).toEqual([
      expect.stringMatching(
        /^admin: token 1 from .*127\.0\.0\.1 invalidated 1 key\(s\) of "prices", tags "a\\nforged line": 1 entries/,
      ),
      expect.stringMatching(/^admin: refused POST from .*127\.0\.0\.1$/),
    ]);
    expect(lines.all.join()).not.toMatch(/correct-horse|wrong-token/);
    expect(audit.join()).not.toContain('AAPL');
  });
});

describe('warming over admin', () => {
  const strategy = { name: 'prices', startup: false, namespaces: ['prices'], load: () => 2, warm: () => 5 };
  const warming = { imports: [CacheWarmingModule.forRoot({ strategies: [strategy] })] };

  it('lists jobs and metrics, and triggers with a count', async () => {
    await boot({}, warming);
    const jobs = await http().get('/admin/cache/warming/jobs').expect(200);
    expect(jobs.body).toMatchObject({
      enabled: true,
      jobs: [
        { name: 'warm-prices', kind: 'cron', lastRun: null, nextRun: expect.any(Number), running: false },
      ],
    });
    const triggered = await http().post('/admin/cache/warming/trigger').expect(200);
    expect(triggered.body).toMatchObject({ success: true, count: 5, reports: [{ strategy: 'prices' }] });
    const metrics = await http().get('/admin/cache/warming/metrics').expect(200);
    expect(metrics.body).toMatchObject({
      enabled: true,
      strategies: [{ strategy: 'prices', runs: 1, itemsProcessed: 5 }],
    });
    const keys = await http()
      .post('/admin/cache/warming/trigger')
      .send({ keys: ['prices:NVDA'] })
      .expect(200);
    expect(keys.body).toMatchObject({ success: true, count: 1 });
    expect(await prices().get('NVDA')).toBe(2);
  });

  it.each([[{ strategy: 'nope' }], [{ strategies: 'prices' }], [{ force: true }], [{ keys: ['unknown:1'] }]])(
    '%j is a 400',
    async (body) => {
      await boot({}, warming);
      await http().post('/admin/cache/warming/trigger').send(body).expect(400);
    },
  );

  it('works without the warming module', async () => {
    await boot();
    await http().get('/admin/cache/warming/jobs').expect(200, { enabled: false, jobs: [] });
    await http().get('/admin/cache/warming/metrics').expect(200, { enabled: false, strategies: [] });
    const answer = await http().post('/admin/cache/warming/trigger').expect(404);
    expect((answer.body as { detail: string }).detail).toMatch(/CacheWarmingModule/);
  });
});

describe("CacheAdminService in the host's own controller", () => {
  it('does the same', async () => {
    @Controller('ops')
    class OpsController {
      constructor(private readonly admin: CacheAdminService) {}

      @Post('purge')
      purge(@Body() { keys, all, dryRun }: InvalidateRequest): Promise<unknown> {
        return this.admin.invalidate({ keys: keys?.map(toAddress), all }, { dryRun, actor: 'ops page' });
      }
    }
    const admin = CacheAdminModule.forRoot({ controllers: false });
    @Module({ imports: [admin], controllers: [OpsController] })
    class OpsModule {}
    await boot(admin, {
      imports: [OpsModule],
      set: (host) => host.useGlobalPipes(new ValidationPipe({ transform: true })),
    });
    const { body } = await http()
      .post('/ops/purge')
      .send({ keys: ['prices:AAPL'] })
      .expect(201);
    expect(body).toMatchObject({ total: 1 });
    expect(lines.all).toContainEqual(expect.stringMatching(/^admin: ops page invalidated/));
    await http().post('/ops/purge').send({}).expect(400);
  });
});
