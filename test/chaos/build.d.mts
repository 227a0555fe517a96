/** Types of the patcher for its spec; see build.mjs. */
export function patched(text: string, patch: { file: string; find: string; replace: string }): string;

/** The checkout. */
export const ROOT: string;
/** Compiles the package into a folder of its own; answers the path of the judge's node program there. */
export function buildPackage(
  folder: string,
  patches?: readonly { file: string; find: string; replace: string }[],
): Promise<string>;
