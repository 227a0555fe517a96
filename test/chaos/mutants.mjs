export async function runMutants() {
  throw new Error('not yet');
}
