import { Injectable } from '@nestjs/common';
import { WarmCache, type WarmItem, type WarmingStrategy } from 'nestjs-strata/warming';
import { InstrumentService } from './instrument.service.js';

const MOST_TRADED = 50;

/**
 * Keeps the most traded instruments in the cache: at start-up, and by the job `warm-instrument-cache`, which loads
 * them anew, so that they live their full time again.
 */
@Injectable()
@WarmCache('instrument-cache')
export class InstrumentWarming implements Pick<WarmingStrategy, 'namespaces' | 'warm' | 'load'> {
  /** What `load` can load when the admin asks for explicit keys. */
  readonly namespaces = ['instruments'];

  constructor(private readonly instruments: InstrumentService) {}

  async warm(): Promise<WarmItem[]> {
    const symbols = await this.instruments.topByVolume(MOST_TRADED);
    return symbols.map((symbol) => () => this.instruments.find(symbol));
  }

  load({ id }: { id: string }): unknown {
    return this.instruments.read(id);
  }
}
