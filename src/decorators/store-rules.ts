import type { GetOrSetOptions, Ttl } from '#tiered-cache';
import { listOf, reportError } from './cache-host.js';
import type { MethodDefinition } from './method-definition.js';

/**
 * What the decorator says of a value, once there is one. The method has succeeded by then: a callback that throws
 * here is reported and nothing is stored, but the caller gets the value.
 */
export function judgeResult(
  definition: MethodDefinition,
  result: unknown,
  args: readonly unknown[],
): { tagsOf: readonly string[]; ttl: Ttl | undefined } | null {
  const { unless, tagsOf, ttl } = definition.options;
  try {
    if (unless?.(result, ...args) === true) return null;
    return {
      tagsOf: listOf(tagsOf, result, ...args),
      ttl: typeof ttl === 'function' ? ttl(result, ...args) : (ttl ?? definition.defaults.ttl),
    };
  } catch (error) {
    reportError(definition, 'not stored, as unless, tagsOf or ttl threw', error);
    return null;
  }
}

/** For a `ttl` that threw when it was asked a second time. */
const SHORTEST: Ttl = 1;

/** Options of the engine for one call; `fixed` itself where they are the same for all calls. */
export function callOptions(
  definition: MethodDefinition,
  fixed: GetOrSetOptions | undefined,
  args: readonly unknown[],
): GetOrSetOptions | undefined {
  const { tags, unless, tagsOf, ttl, minPosition } = definition.options;
  if (typeof tags !== 'function' && !minPosition && !unless && !tagsOf && typeof ttl !== 'function')
    return fixed;
  const options: GetOrSetOptions = { ...fixed };
  if (typeof tags === 'function') options.tags = tags(...args);
  const position = minPosition?.(...args);
  if (position !== undefined) options.minPosition = position;
  if (!unless && !tagsOf && typeof ttl !== 'function') return options;
  let last: { value: unknown; judged: ReturnType<typeof judgeResult> } | undefined;
  const judge = (value: unknown) => {
    if (last === undefined || !Object.is(last.value, value))
      last = { value, judged: judgeResult(definition, value, args) };
    return last.judged;
  };
  options.storeIf = (value) => {
    last = undefined; // A refresh may load the same object with other content.
    // These options are remembered, the value must not be: the engine asks for TTL and tags before it goes on.
    queueMicrotask(() => (last = undefined));
    return judge(value) !== null;
  };
  if (tagsOf) options.tagsOf = (value) => judge(value)?.tagsOf ?? [];
  // Only asked after storeIf said yes.
  if (typeof ttl === 'function') options.ttl = (value) => judge(value)?.ttl ?? SHORTEST;
  return options;
}

/** Options that depend neither on arguments nor on the result. */
export function fixedOptions({ options, defaults }: MethodDefinition): GetOrSetOptions | undefined {
  const fixed: GetOrSetOptions = {};
  const ttl = options.ttl ?? defaults.ttl;
  if (ttl !== undefined && typeof ttl !== 'function') fixed.ttl = ttl;
  if (options.tags !== undefined && typeof options.tags !== 'function') fixed.tags = options.tags;
  if (options.track !== undefined) fixed.track = options.track;
  for (const name of ['grace', 'staleWhileRevalidate', 'softTimeout', 'hardTimeout'] as const)
    if (options[name] !== undefined) fixed[name] = options[name];
  return Object.keys(fixed).length === 0 ? undefined : fixed;
}
