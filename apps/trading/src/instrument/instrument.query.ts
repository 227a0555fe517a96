import { ILike, type FindOptionsWhere, type Repository } from 'typeorm';
import { type ListInstrumentsDto } from './instrument.dto.js';
import { type Instrument } from './instrument.entity.js';

/** The page of a list and how many match without it. Ties are broken by symbol, so that pages do not overlap. */
export function findInstruments(
  instruments: Repository<Instrument>,
  query: ListInstrumentsDto,
): Promise<[Instrument[], number]> {
  const same: FindOptionsWhere<Instrument> = {
    ...(query.type !== undefined && { type: query.type }),
    ...(query.currency !== undefined && { currency: query.currency }),
    ...(query.isActive !== undefined && { isActive: query.isActive }),
  };
  const part = query.search === undefined ? undefined : ILike(`%${escapeLike(query.search)}%`);
  const order = query.order === 'asc' ? 'ASC' : 'DESC';
  return instruments.findAndCount({
    where: part
      ? [
          { ...same, symbol: part },
          { ...same, name: part },
        ]
      : same,
    order: query.sort === 'symbol' ? { symbol: order } : { [query.sort]: order, symbol: 'ASC' },
    take: query.limit,
    skip: query.offset,
  });
}

/** One key for one question, whatever order its parameters came in. */
export function listKey(query: ListInstrumentsDto): string {
  const { type, currency, isActive, sort, order, limit, offset } = query;
  return JSON.stringify([type, currency, isActive, sort, order, limit, offset]);
}

function escapeLike(text: string): string {
  return text.replace(/[\\%_]/g, (character) => `\\${character}`);
}
