import { expect, test } from 'vitest';
import { SocketStream } from '@filer/sockets';
import { run, start } from './example.ts';

test('everyone is greeted by name, in the order of the names', async () => {
  const server = start('hello-server');
  const answers = await run('', 'hello-client', await server.port(), 'anna', 'ben', 'cleo');
  expect(answers).toBe('Hello, anna!\nHello, ben!\nHello, cleo!\n');
  expect(await server.interrupt()).toBe(0);
  expect(server.stderr).toBe('');
});

test('five are served at once, ten wait in order, and the sixteenth is refused', async () => {
  const server = start('hello-server');
  const port = Number(await server.port());
  const streams: SocketStream[] = [];
  for (let index = 0; index < 16; index++) {
    streams.push(await SocketStream.dial({ transport: 'tcp', host: '127.0.0.1', port }));
  }
  const [last] = streams.splice(15);
  await server.said(/is refused: 5 requests are served and 10 wait already/);
  expect(server.stdout.match(/is served/g)).toHaveLength(5);
  const greetings = await Promise.all(
    streams.map(async (stream, index) => {
      await stream.write(`${index}\n`);
      const greeting = await stream.readLine();
      await stream.close();
      return greeting;
    }),
  );
  expect(greetings).toEqual(streams.map((_, index) => `Hello, ${index}!`));
  const served = [...server.stdout.matchAll(/^(\S+) is served/gm)].map(([, from]) => from);
  expect(served).toHaveLength(15);
  last?.destroy();
  expect(await server.interrupt()).toBe(0);
});
