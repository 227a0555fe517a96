import { Injectable } from '@nestjs/common';
import { WarmCache, type WarmEntry, type WarmingStrategy } from 'nestjs-strata/warming';
import { InstrumentService } from './instrument.service.js';
import { instrumentTags } from './instrument.tags.js';

const MOST_TRADED = 50;

/**
 * Keeps the most traded instruments in the cache: at start-up, and by the job `warm-instrument-cache`, which loads
 * them anew, so that they live their full time again.
 */
@Injectable()
@WarmCache('instrument-cache')
export class InstrumentWarming implements Pick<WarmingStrategy, 'warm'> {
  constructor(private readonly instruments: InstrumentService) {}

  async warm(): Promise<WarmEntry[]> {
    const symbols = await this.instruments.topByVolume(MOST_TRADED);
    return symbols.map((symbol) => ({
      namespace: 'instruments',
      id: symbol,
      load: () => this.instruments.read(symbol),
      options: { tags: instrumentTags(symbol) },
    }));
  }
}
