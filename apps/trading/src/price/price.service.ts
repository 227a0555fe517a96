import { Injectable, NotFoundException, Optional } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { Cacheable, CacheService } from 'nestjs-strata';
import { normalizeSymbol } from '../http/symbol.js';
import { Instrument } from '../instrument/instrument.entity.js';
import { instrumentTags } from '../instrument/instrument.tags.js';
import { type CreateTickDto } from './price.dto.js';
import { PriceTick } from './price-tick.entity.js';
import { type PriceView } from './price.view.js';

export interface RecordedPrice {
  price: PriceView;
  position: string | null;
}

/** Prices live one second, in each node's memory only. */
@Injectable()
export class PriceService {
  constructor(
    @InjectRepository(PriceTick) private readonly ticks: Repository<PriceTick>,
    @InjectRepository(Instrument) private readonly instruments: Repository<Instrument>,
    @Optional() private readonly cache?: CacheService,
  ) {}

  /**
   * Null when the instrument, or any price of it, is missing.
   * @param _position of a write that the answer must not be older than; it does not belong to the key
   */
  @Cacheable({
    namespace: 'prices',
    key: (symbol) => symbol,
    tags: (symbol) => instrumentTags(symbol),
    minPosition: (_symbol, position) => position,
  })
  latest(symbol: string, _position?: string): Promise<PriceView | null> {
    return this.readLatest(symbol);
  }

  /** @throws NotFoundException */
  async get(symbol: string, position?: string): Promise<PriceView> {
    const price = await this.latest(symbol, position);
    if (price) return price;
    throw new NotFoundException(`There is no price of ${normalizeSymbol(symbol)}.`);
  }

  /**
   * Stores a tick and answers the price that holds now: an older tick than the latest changes nothing. Two ticks
   * at once may be put in either order; the loser is seen for at most the second that a price lives anyway.
   * By CacheService rather than @CachePut, which keeps the position to itself.
   * @returns position: for readers on other nodes; null while the shared tier is away, or without one (or without a cache)
   * @throws NotFoundException
   */
  async record(symbol: string, tick: CreateTickDto): Promise<RecordedPrice> {
    const instrument = await this.instruments.findOne({
      select: { id: true, symbol: true },
      where: { symbol: normalizeSymbol(symbol) },
    });
    if (!instrument) throw new NotFoundException(`There is no instrument ${normalizeSymbol(symbol)}.`);
    await this.ticks.insert({
      instrumentId: instrument.id,
      price: tick.price,
      at: tick.at ?? new Date(),
      origin: 'api',
    });
    const latest = await this.readLatest(symbol);
    if (!latest) throw new NotFoundException(`${normalizeSymbol(symbol)} was deleted meanwhile.`);
    const write = await this.cache?.set('prices', symbol, latest, { tags: instrumentTags(symbol) });
    return { price: latest, position: write?.position ?? null };
  }

  /**
   * One query over both tables, past the cached instrument: an entry made from another entry would be as late as
   * both together.
   */
  private async readLatest(symbol: string): Promise<PriceView | null> {
    const row = await this.ticks
      .createQueryBuilder('tick')
      .innerJoinAndSelect('tick.instrument', 'instrument', 'instrument.deleted_at IS NULL')
      .where('instrument.symbol = :symbol', { symbol: normalizeSymbol(symbol) })
      .orderBy('tick.at', 'DESC')
      .addOrderBy('tick.id', 'DESC')
      .limit(1)
      .getOne();
    if (!row?.instrument) return null;
    const { symbol: name, currency } = row.instrument;
    return { symbol: name, price: row.price, currency, at: row.at.toISOString(), origin: row.origin };
  }
}
