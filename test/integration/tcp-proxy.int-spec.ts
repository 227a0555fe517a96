import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { until } from '../conformance/until.js';
import { startProxy, type TcpProxy } from '../support/tcp-proxy.mjs';

describe('the TCP proxy of the tests', () => {
  let echo: Server;
  let received = '';
  const accepted: Socket[] = [];
  let proxy: TcpProxy;
  const clients: Socket[] = [];

  beforeEach(async () => {
    received = '';
    echo = createServer((socket) => {
      accepted.push(socket);
      socket.on('error', () => undefined); // reset on purpose
      socket.on('data', (data) => {
        received += data.toString();
        socket.write(data);
      });
    }).listen(0, '127.0.0.1');
    await once(echo, 'listening');
    proxy = await startProxy({ to: (echo.address() as AddressInfo).port });
  });

  afterEach(async () => {
    for (const socket of [...clients.splice(0), ...accepted.splice(0)]) socket.destroy();
    await proxy.stop();
    await new Promise((resolve) => echo.close(resolve));
  });

  interface Client {
    socket: Socket;
    readonly got: () => string;
    readonly closed: () => boolean;
  }

  async function client(): Promise<Client> {
    const socket = connect(proxy.port, '127.0.0.1');
    clients.push(socket);
    let text = '';
    let closed = false;
    socket.on('data', (data) => (text += data.toString()));
    socket.on('close', () => (closed = true));
    socket.on('error', () => undefined); // 'close' says enough
    await once(socket, 'connect');
    return { socket, got: () => text, closed: () => closed };
  }

  async function alive({ socket, got }: Client, word: string): Promise<void> {
    socket.write(word);
    await until(() => got().endsWith(word), 1_000);
  }

  it('passes everything, in order, and the end of a stream', async () => {
    const one = await client();
    await alive(one, 'hello');
    one.socket.end();
    await until(one.closed);
  });

  it('delays in order', async () => {
    const one = await client();
    await alive(one, 'x');
    proxy.delay(60);
    const start = performance.now();
    one.socket.write('a');
    one.socket.write('b');
    await until(() => one.got() === 'xab');
    expect(performance.now() - start).toBeGreaterThanOrEqual(118); // there and back
    proxy.delay(0);
    await alive(one, 'c');
  });

  it('holds and releases without a loss', async () => {
    const one = await client();
    await alive(one, '1');
    proxy.hold();
    one.socket.write('2');
    const other = await client();
    other.socket.write('?');
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect([received, one.got(), other.got()]).toEqual(['1', '1', '']);
    proxy.release();
    await until(() => one.got() === '12' && other.got() === '?');
  });

  it('drops silently, and a line that lost something is reset when mended', async () => {
    const loser = await client();
    const idle = await client();
    await alive(loser, '1');
    await alive(idle, '1');
    proxy.drop();
    loser.socket.write('2');
    const late = await client();
    late.socket.write('3');
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect([received, loser.closed(), late.got()]).toEqual(['11', false, '']);
    await proxy.mend();
    await until(() => loser.closed() && late.closed());
    await alive(idle, '4');
    await alive(await client(), '5');
  });

  it.each([
    ['to-server', '1x'],
    ['to-client', '1'],
  ] as const)('half open, passes %s only', async (passing, arrived) => {
    const one = await client();
    await alive(one, '1');
    proxy.halfOpen(passing);
    one.socket.write('x');
    accepted[0]!.write('from the server');
    await until(
      () => received === arrived && one.got() === (passing === 'to-client' ? '1from the server' : '1'),
    );
    expect(one.closed()).toBe(false);
    await proxy.mend();
    await until(one.closed);
  });

  it('silences the connections of now, and lets new ones work', async () => {
    const old = await client();
    await alive(old, '1');
    proxy.silence();
    old.socket.write('2');
    await alive(await client(), '3');
    expect([received, old.got(), old.closed()]).toEqual(['13', '1', false]);
  });

  it('cuts: connections end, new ones are refused, until it is mended', async () => {
    const one = await client();
    await alive(one, '1');
    await proxy.cut();
    await until(one.closed);
    const refused = connect(proxy.port, '127.0.0.1');
    const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
    await proxy.mend();
    await alive(await client(), '2');
  });
});
