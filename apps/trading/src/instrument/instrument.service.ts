import { ConflictException, Injectable, NotFoundException } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { type EntityManager, IsNull, Not, Repository } from 'typeorm';
import { Cacheable } from 'nestjs-strata';
import { entityTag } from 'nestjs-strata/typeorm';
import { normalizeSymbol } from '../http/symbol.js';
import {
  type CreateInstrumentDto,
  type ListInstrumentsDto,
  type RepriceDto,
  type UpdateInstrumentDto,
} from './instrument.dto.js';
import { Instrument } from './instrument.entity.js';
import { findInstruments, listKey } from './instrument.query.js';
import { instrumentTags, typeTag } from './instrument.tags.js';
import {
  type InstrumentPage,
  instrumentView,
  type InstrumentView,
  type Repriced,
} from './instrument.view.js';

/** Reads are cached for an hour; writes need no word about the cache, as the entity says what it stands for. */
@Injectable()
export class InstrumentService {
  constructor(@InjectRepository(Instrument) private readonly instruments: Repository<Instrument>) {}

  /** Null when there is none; that answer is cached too, briefly, and ended by an insert or a restore. */
  @Cacheable({
    namespace: 'instruments',
    key: (symbol) => symbol,
    tags: instrumentTags,
  })
  find(symbol: string): Promise<InstrumentView | null> {
    return this.read(symbol);
  }

  /** What the database says now. */
  async read(symbol: string): Promise<InstrumentView | null> {
    const row = await this.instruments.findOneBy({ symbol: normalizeSymbol(symbol) });
    return row && instrumentView(row);
  }

  /** @throws NotFoundException */
  async get(symbol: string): Promise<InstrumentView> {
    return (await this.find(symbol)) ?? unknown(symbol);
  }

  /**
   * Which pages a row appears in is not knowable by key: a write to an instrument ends the lists of its type, and
   * those of all types.
   */
  @Cacheable({
    namespace: 'instrument-lists',
    key: listKey,
    // Free text has as many keys as people have ideas; its answers are not worth remembering.
    condition: (query) => query.search === undefined,
    tags: ({ type }) => [type === undefined ? entityTag('Instrument') : typeTag(type)],
  })
  async list(query: ListInstrumentsDto): Promise<InstrumentPage> {
    const [rows, total] = await findInstruments(this.instruments, query);
    return { items: rows.map(instrumentView), total, limit: query.limit, offset: query.offset };
  }

  /** @throws ConflictException when the symbol is taken, be it by a deleted instrument. */
  async create(input: CreateInstrumentDto): Promise<InstrumentView> {
    return this.instruments.manager.transaction(async (manager) => {
      await this.refuseTaken(manager, input.symbol);
      const row = manager.create(Instrument, {
        symbol: input.symbol,
        name: input.name,
        type: input.type,
        currency: input.currency,
        volume24h: input.volume24h ?? '0.00',
        referencePrice: input.referencePrice ?? null,
        isActive: input.isActive ?? true,
        origin: 'api',
        volumeOrigin: 'api',
      });
      return instrumentView(await manager.save(row));
    });
  }

  /** @throws NotFoundException; ConflictException when the new symbol is taken. */
  async update(symbol: string, changes: UpdateInstrumentDto): Promise<InstrumentView> {
    return this.instruments.manager.transaction(async (manager) => {
      const row = await lock(manager, symbol);
      if (changes.symbol !== undefined && changes.symbol !== row.symbol) {
        await this.refuseTaken(manager, changes.symbol);
      }
      manager.merge<Instrument>(Instrument, row, changes);
      if (changes.volume24h !== undefined) row.volumeOrigin = 'api';
      return instrumentView(await manager.save(row));
    });
  }

  /** Soft: the row stays and can be restored. @throws NotFoundException */
  async remove(symbol: string): Promise<void> {
    await this.instruments.manager.transaction(async (manager) => {
      await manager.softRemove(await lock(manager, symbol));
    });
  }

  /** @throws NotFoundException; ConflictException when it is not deleted. */
  async restore(symbol: string): Promise<InstrumentView> {
    return this.instruments.manager.transaction(async (manager) => {
      const row = await lock(manager, symbol, { withDeleted: true });
      if (!row.deletedAt) throw new ConflictException(`${row.symbol} is not deleted.`);
      return instrumentView(await manager.recover(row));
    });
  }

  /**
   * One UPDATE for all of a type. It does not say which rows it changes, so subscribers would have to clear whole
   * namespaces: they are not asked. The triggers know the rows, and only what was made of those goes.
   */
  async reprice({ type, factor }: RepriceDto): Promise<Repriced> {
    const { affected } = await this.instruments
      .createQueryBuilder()
      .update()
      .set({ referencePrice: () => 'trim_scale(round(reference_price * :factor::numeric, 8))' })
      .where({ type, referencePrice: Not(IsNull()), deletedAt: IsNull() })
      .setParameter('factor', factor)
      .callListeners(false)
      .execute();
    return { type, factor, changed: affected ?? 0 };
  }

  /** The active instruments with the most volume: what is worth having warm. */
  async topByVolume(count: number): Promise<string[]> {
    const rows = await this.instruments.find({
      select: { id: true, symbol: true },
      where: { isActive: true },
      order: { volume24h: 'DESC', symbol: 'ASC' },
      take: count,
    });
    return rows.map((row) => row.symbol);
  }

  /** A clear answer in the common case; the unique index decides races, and its error becomes a 409 as well. */
  private async refuseTaken(manager: EntityManager, symbol: string): Promise<void> {
    const taken = await manager.findOne(Instrument, { where: { symbol }, withDeleted: true });
    if (!taken) return;
    throw new ConflictException(
      taken.deletedAt ? `${symbol} exists and is deleted; restore it.` : `${symbol} exists already.`,
    );
  }
}

/** Locks the row, so that two PATCHes cannot write each other's old columns back. */
async function lock(manager: EntityManager, symbol: string, options: { withDeleted?: boolean } = {}) {
  const row = await manager.findOne(Instrument, {
    where: { symbol: normalizeSymbol(symbol) },
    lock: { mode: 'pessimistic_write' },
    ...options,
  });
  return row ?? unknown(symbol);
}

function unknown(symbol: string): never {
  throw new NotFoundException(`There is no instrument ${normalizeSymbol(symbol)}.`);
}
