/** The other side of harness/program.mjs: runs `work` on the request and sends what it answers. */
export function answer(work) {
  process.once('message', async (request) => {
    let message;
    try {
      message = { answer: await work(request) };
    } catch (error) {
      message = { error: error instanceof Error ? error.stack : String(error) };
    }
    process.send(message, () => process.exit(0));
  });
}
