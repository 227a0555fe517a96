import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { CacheHealthModule } from 'nestjs-strata/health';
import { HealthController } from './health.controller.js';

/** A health check of the host's own, which takes the cache's indicator into it. Not logged: the answer says it all. */
@Module({
  imports: [TerminusModule.forRoot({ logger: false }), CacheHealthModule.forRoot({ controller: false })],
  controllers: [HealthController],
})
export class HealthModule {}
