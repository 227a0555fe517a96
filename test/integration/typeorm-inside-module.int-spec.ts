import { Injectable, type LoggerService } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { InjectRepository, TypeOrmModule } from '@nestjs/typeorm';
import { Column, DataSource, Entity, EntityManager, PrimaryColumn, Repository } from 'typeorm';
import { Cacheable, CacheEvict, CacheModule, CachePut, CacheService } from '../../src/index.js';
import { CacheTypeOrmModule, outsideTransaction, runInTransaction } from '../../src/typeorm/index.js';
import { describeWithPostgres, freshDatabase } from '../support/services.js';

const QUIET: LoggerService = { log: () => {}, debug: () => {}, warn: () => {}, error: () => {} };

/** Not marked: what ends its entries are the decorators. */
@Entity()
class Wallet {
  @PrimaryColumn() id!: string;
  @Column() balance!: number;
}

@Injectable()
class Wallets {
  loads = 0;

  constructor(@InjectRepository(Wallet) private readonly rows: Repository<Wallet>) {}

  @Cacheable({ namespace: 'wallets', key: (id) => id })
  async balance(id: string): Promise<number> {
    this.loads += 1;
    return (await this.rows.findOneByOrFail({ id })).balance;
  }

  @CacheEvict({ namespace: 'wallets', key: (id) => id })
  async deposit(id: string, amount: number): Promise<void> {
    await this.rows.increment({ id }, 'balance', amount);
  }

  @CacheEvict({ namespace: 'wallets', key: (id) => id, when: 'before' })
  async withdraw(id: string, amount: number): Promise<void> {
    await this.rows.decrement({ id }, 'balance', amount);
  }

  @CachePut({ namespace: 'wallets', key: (_result, id) => id })
  async set(id: string, balance: number): Promise<number> {
    await this.rows.save({ id, balance });
    return balance;
  }
}

describeWithPostgres('decorated methods inside a transaction', () => {
  let database: Awaited<ReturnType<typeof freshDatabase>>;

  beforeAll(async () => {
    database = await freshDatabase();
  });
  afterAll(async () => {
    await database?.drop();
  });

  async function boot(options: Parameters<typeof CacheTypeOrmModule.forRoot>[0] = {}) {
    const module = await Test.createTestingModule({
      imports: [
        CacheModule.forRoot({ redis: null, namespaces: { wallets: { ttl: '1h' } } }),
        TypeOrmModule.forRoot({
          type: 'postgres',
          url: database.url,
          entities: [Wallet],
          synchronize: true,
          retryAttempts: 1,
        }),
        TypeOrmModule.forFeature([Wallet]),
        CacheTypeOrmModule.forRoot(options),
      ],
      providers: [Wallets],
    })
      .setLogger(QUIET)
      .compile();
    const app = module.createNestApplication({ logger: QUIET });
    await app.init();
    const wallets = app.get(Wallets);
    const dataSource = app.get(DataSource);
    await dataSource.query(`DELETE FROM wallet`);
    await dataSource.query(`INSERT INTO wallet VALUES ('w', 1)`);
    const cached = () => outsideTransaction(() => app.get(CacheService).namespace('wallets').peek('w'));
    return { app, wallets, dataSource, manager: app.get(EntityManager), cached };
  }

  it('a read sees what the transaction has written, and is stored by nobody', async () => {
    const { app, wallets, dataSource, cached } = await boot();
    try {
      expect(await wallets.balance('w')).toBe(1);
      await runInTransaction(dataSource, async () => {
        expect(await wallets.balance('w')).toBe(1);
        expect(wallets.loads).toBe(1);
        await wallets.deposit('w', 4);
        expect(await wallets.balance('w')).toBe(5);
        expect(cached()).toBe(1);
      });
      expect(cached()).toBe(undefined);
      expect(await wallets.balance('w')).toBe(5);
    } finally {
      await app.close();
    }
  });

  it('@CacheEvict and @CachePut wait for COMMIT, and are forgotten with ROLLBACK', async () => {
    const { app, wallets, dataSource, cached } = await boot();
    const writes: (() => Promise<unknown>)[] = [
      () => wallets.deposit('w', 4),
      () => wallets.withdraw('w', 4),
      () => wallets.set('w', 9),
    ];
    try {
      for (const write of writes) {
        const before = await wallets.balance('w');
        const failed = runInTransaction(dataSource, async () => {
          await write();
          expect(cached()).toBe(before);
          throw new Error('no');
        });
        await expect(failed).rejects.toThrow('no');
        expect([cached(), await wallets.balance('w')]).toEqual([before, before]);
        await runInTransaction(dataSource, async () => {
          await write();
          expect(cached()).toBe(before);
        });
        expect(cached()).toBe(undefined);
        expect(await wallets.balance('w')).not.toBe(before);
      }
    } finally {
      await app.close();
    }
  });

  it('the transactions of TypeORM itself are left as they are', async () => {
    const { app, wallets, dataSource } = await boot();
    try {
      await wallets.balance('w');
      await dataSource.transaction(async (em) => {
        await em.update(Wallet, 'w', { balance: 7 });
        expect(await wallets.balance('w')).toBe(1);
      });
    } finally {
      await app.close();
    }
  });

  it('wrapTransactions: they too are followed, until the application is closed', async () => {
    const { app, wallets, dataSource, manager, cached } = await boot({ wrapTransactions: true });
    try {
      for (const run of [
        (work: (em: EntityManager) => Promise<void>) => dataSource.transaction(work),
        (work: (em: EntityManager) => Promise<void>) => manager.transaction('READ COMMITTED', work),
      ]) {
        const before = await wallets.balance('w');
        await run(async (em) => {
          await wallets.deposit('w', 4);
          expect(await wallets.balance('w')).toBe(before + 4);
          await em.transaction(async () => expect(await wallets.balance('w')).toBe(before + 4));
          expect(cached()).toBe(before);
        });
        expect(await wallets.balance('w')).toBe(before + 4);
      }
    } finally {
      await app.close();
    }
    await dataSource.initialize();
    try {
      await dataSource.transaction(async () => expect(dataSource.manager.queryRunner).toBe(undefined));
    } finally {
      await dataSource.destroy();
    }
  });

  it('the option must be true or false', () => {
    const options = { wrapTransactions: 'yes' } as unknown as { wrapTransactions: boolean };
    expect(() => CacheTypeOrmModule.forRoot(options)).toThrow('wrapTransactions');
  });
});
