import { Body, Controller, Get, Headers, Param, Post, Res } from '@nestjs/common';
import { type HttpResponse } from '../http/adapter.js';
import { POSITION_HEADER } from '../http/position.js';
import { SymbolPipe } from '../http/symbol.js';
import { CreateTickDto } from './price.dto.js';
import { PriceService } from './price.service.js';
import { type PriceView } from './price.view.js';

@Controller('prices')
export class PriceController {
  constructor(private readonly prices: PriceService) {}

  /** With the header of a POST, which may have gone to another node: that price or a newer one. */
  @Get(':symbol')
  get(
    @Param('symbol', SymbolPipe) symbol: string,
    @Headers(POSITION_HEADER) position?: string,
  ): Promise<PriceView> {
    return this.prices.get(symbol, position);
  }

  @Post(':symbol/ticks')
  async record(
    @Param('symbol', SymbolPipe) symbol: string,
    @Body() tick: CreateTickDto,
    @Res({ passthrough: true }) response: HttpResponse,
  ): Promise<PriceView> {
    const { price, position } = await this.prices.record(symbol, tick);
    if (position !== null) response.header(POSITION_HEADER, position);
    return price;
  }
}
