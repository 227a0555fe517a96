/** Types of the patcher for its spec; see build.mjs. */
export function patched(text: string, patch: { file: string; find: string; replace: string }): string;
