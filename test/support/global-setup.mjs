/** Starts (or finds) the real servers the tests run against. */
export default async function globalSetup() {}
