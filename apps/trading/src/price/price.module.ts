import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Instrument } from '../instrument/instrument.entity.js';
import { PriceController } from './price.controller.js';
import { PriceService } from './price.service.js';
import { PriceTick } from './price-tick.entity.js';

@Module({
  imports: [TypeOrmModule.forFeature([PriceTick, Instrument])],
  controllers: [PriceController],
  providers: [PriceService],
})
export class PriceModule {}
