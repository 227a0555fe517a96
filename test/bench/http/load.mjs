/** autocannon in a process of its own: `{ url, seconds, connections, requests }` in, its figures out. */
import autocannon from 'autocannon';
import { answer } from '../programs/answer.mjs';

answer(async ({ url, seconds, connections, requests }) => {
  const result = await autocannon({ url, duration: seconds, connections, requests });
  const failed = result.errors + result.timeouts + result.non2xx;
  if (failed > 0) throw new Error(`${failed} requests of ${result.requests.total} failed`);
  return {
    requests: result.requests.total,
    perSecond: result.requests.average,
    p50: result.latency.p50,
    p99: result.latency.p99,
  };
});
