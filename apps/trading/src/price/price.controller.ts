import { Body, Controller, Get, Param, Post } from '@nestjs/common';
import { SymbolPipe } from '../http/symbol.js';
import { CreateTickDto } from './price.dto.js';
import { PriceService } from './price.service.js';
import { type PriceView } from './price.view.js';

@Controller('prices')
export class PriceController {
  constructor(private readonly prices: PriceService) {}

  @Get(':symbol')
  get(@Param('symbol', SymbolPipe) symbol: string): Promise<PriceView> {
    return this.prices.get(symbol);
  }

  @Post(':symbol/ticks')
  record(@Param('symbol', SymbolPipe) symbol: string, @Body() tick: CreateTickDto): Promise<PriceView> {
    return this.prices.record(symbol, tick);
  }
}
