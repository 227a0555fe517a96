import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { SymbolPipe } from '../http/symbol.js';
import {
  CreateInstrumentDto,
  ListInstrumentsDto,
  RepriceDto,
  UpdateInstrumentDto,
} from './instrument.dto.js';
import { InstrumentService } from './instrument.service.js';
import { type InstrumentPage, type InstrumentView, type Repriced } from './instrument.view.js';

@Controller('instruments')
export class InstrumentController {
  constructor(private readonly instruments: InstrumentService) {}

  @Get()
  list(@Query() query: ListInstrumentsDto): Promise<InstrumentPage> {
    return this.instruments.list(query);
  }

  @Post()
  create(@Body() input: CreateInstrumentDto): Promise<InstrumentView> {
    return this.instruments.create(input);
  }

  /** Multiplies the reference prices of all instruments of a type. */
  @Post('reprice')
  @HttpCode(200)
  reprice(@Body() change: RepriceDto): Promise<Repriced> {
    return this.instruments.reprice(change);
  }

  @Get(':symbol')
  get(@Param('symbol', SymbolPipe) symbol: string): Promise<InstrumentView> {
    return this.instruments.get(symbol);
  }

  @Patch(':symbol')
  update(
    @Param('symbol', SymbolPipe) symbol: string,
    @Body() changes: UpdateInstrumentDto,
  ): Promise<InstrumentView> {
    return this.instruments.update(symbol, changes);
  }

  @Delete(':symbol')
  @HttpCode(204)
  remove(@Param('symbol', SymbolPipe) symbol: string): Promise<void> {
    return this.instruments.remove(symbol);
  }

  @Post(':symbol/restore')
  @HttpCode(200)
  restore(@Param('symbol', SymbolPipe) symbol: string): Promise<InstrumentView> {
    return this.instruments.restore(symbol);
  }
}
