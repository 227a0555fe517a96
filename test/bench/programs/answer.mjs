/** The other side of harness/program.mjs: runs `work` on the request and sends what it answers. */
export function answer(work) {
  const serve = async (request) => {
    let message;
    try {
      message = { answer: await work(request) };
    } catch (error) {
      message = { error: error instanceof Error ? error.stack : String(error) };
    }
    process.send(message, () => process.exit(0));
  };
  process.once('message', (request) => void serve(request));
}
