/*
 * Greets a client that says a name. A few are served at once (5 unless told otherwise), twice as many wait in order, and
 * those beyond are refused; until Ctrl-C:
 *
 *   node hello-server.ts [PORT] [AT_ONCE]
 */
import { describeAddress } from '@filer/protocol';
import { serve, StreamHandler } from '@filer/sockets';

const [port = '0', atOnce = '5'] = process.argv.slice(2);

class HelloHandler extends StreamHandler {
  protected override setup(): void {
    console.log(`${this.request.addr} is served: ${service.serving + 1} of ${atOnce}`);
  }

  protected async handle(): Promise<void> {
    const name = (await this.readLine(100)) ?? 'stranger';
    await this.write(`Hello, ${name}!\n`);
  }

  protected override finish(): void {
    console.log(`${this.request.addr} is done`);
  }
}

const service = await serve({ transport: 'tcp', host: '127.0.0.1', port: Number(port) }, HelloHandler, {
  maxServed: Number(atOnce),
  maxWaiting: 2 * Number(atOnce),
  idleTimeoutMs: 30_000,
  onRefused: (from, why) => console.log(`${from} is refused: ${why}`),
  onFailed: (error, from) => console.log(`${from} failed: ${String(error)}`),
});
console.log(`listening on ${describeAddress(service.address)}`);
process.once('SIGINT', () => void service.close({ graceMs: 0 }));
