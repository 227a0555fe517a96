/**
 * autocannon in a process of its own, asked over IPC as often as wanted: `{ url, seconds, connections, requests }` in, what
 * came back out. Latencies are taken from its events, as its own histogram counts in whole milliseconds.
 */
import autocannon from 'autocannon';

/** How often it looks whether its time is over, and so how much longer than asked it may take. */
const LOOK_EVERY_MS = 50;

async function load({ url, seconds, connections, requests }) {
  const latencies = [];
  let client = 0;
  let [firstAt, lastAt] = [NaN, NaN];
  const { errors, timeouts, non2xx } = await new Promise((resolve, reject) => {
    const running = autocannon(
      {
        url,
        duration: seconds,
        sampleInt: LOOK_EVERY_MS,
        connections,
        requests: requests.slice(0, 1),
        // Each connection repeats its own part of the list. With all of it, every connection would ask for the same at the
        // same time, and making its requests would take longer than a short turn.
        setupClient(one) {
          const [from, to] = [client, ++client].map((at) => Math.floor((at * requests.length) / connections));
          one.setRequests(requests.slice(from, to));
        },
      },
      (error, result) => (error ? reject(error) : resolve(result)),
    );
    running.on('response', (_client, _status, _bytes, ms) => {
      lastAt = performance.now();
      // The first answers wait for connections to be made.
      if (latencies.length === 0) firstAt = lastAt;
      latencies.push(ms);
    });
  });
  const failed = errors + timeouts + non2xx;
  if (failed > 0) throw new Error(`${failed} of ${latencies.length + failed} requests to ${url} failed`);
  return { seconds: (lastAt - firstAt) / 1_000, latencies };
}

process.on('message', (request) => {
  load(request).then(
    (answer) => process.send({ answer }),
    (error) => process.send({ error: error.stack }),
  );
});
process.on('disconnect', () => process.exit(0));
