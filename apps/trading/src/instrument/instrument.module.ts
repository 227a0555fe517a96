import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { InstrumentController } from './instrument.controller.js';
import { Instrument } from './instrument.entity.js';
import { InstrumentService } from './instrument.service.js';
import { InstrumentWarming } from './instrument.warming.js';

@Module({
  imports: [TypeOrmModule.forFeature([Instrument])],
  controllers: [InstrumentController],
  providers: [InstrumentService, InstrumentWarming],
  exports: [InstrumentService],
})
export class InstrumentModule {}
