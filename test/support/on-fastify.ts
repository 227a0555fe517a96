import { FastifyAdapter } from '@nestjs/platform-fastify';
import { standOn } from './http-platform.js';

// Fastify's own `trustProxy`: `request.ip` and `request.host` believe what a proxy says. The door must not.
standOn(() => new FastifyAdapter({ trustProxy: true }));
