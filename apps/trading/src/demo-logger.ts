import { ConsoleLogger, type LogLevel } from '@nestjs/common';

/** What Nest says of itself while it boots: forty lines per node that hide the ones a newcomer looks for. */
const FRAMEWORK = new Set([
  'InstanceLoader',
  'NestFactory',
  'NestApplication',
  'RouterExplorer',
  'RoutesResolver',
]);

/** Nest's own logger, which leaves out the framework's boot, unless LOG_LEVEL asks for details. */
export class DemoLogger extends ConsoleLogger {
  constructor(private readonly levels: LogLevel[]) {
    super({ logLevels: levels });
  }

  override log(message: unknown, ...rest: unknown[]): void {
    if (FRAMEWORK.has(String(rest.at(-1))) && !this.levels.includes('debug')) return;
    super.log(message, ...rest);
  }
}
