/** Stops what global-setup.mjs has started. */
export default async function globalTeardown() {
  await globalThis.__strataServices?.stop();
}
