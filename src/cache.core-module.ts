import { Global, Module } from '@nestjs/common';
import { CacheDirectory } from './cache.directory.js';
import { CacheExplorer } from './decorators/cache.explorer.js';
import { MethodBindings } from './decorators/method-bindings.js';

/**
 * What the caches of one application share. A static module: Nest makes one per application, however many
 * CacheModules import it. Global, so that its hooks run before those of the application's own modules.
 */
@Global()
@Module({
  providers: [CacheDirectory, MethodBindings, CacheExplorer],
  exports: [CacheDirectory, MethodBindings],
})
export class CacheCoreModule {}
