import { expect, test } from 'vitest';
import { start } from './example.ts';

test('a server and two clients list, send, multicast, broadcast, close and quit', async () => {
  const server = start('message-server');
  const port = await server.port();
  const first = start('message-client', port);
  await server.said(/^1 connected/m);
  const second = start('message-client');
  second.type(`connect ${port}\n`);
  await server.said(/^2 connected/m);
  await second.said(/^1 connected/m);

  first.type('send 1 hello   server\n');
  await server.said(/^1: hello server$/m);
  server.type('send 2 hello second\n');
  await second.said(/^1: hello second$/m);
  server.type('broadcast to all\n');
  await Promise.all([first.said(/^1: to all$/m), second.said(/^1: to all$/m), server.said(/^sent to 2$/m)]);
  server.type('multicast 1 to some\n');
  await Promise.all([first.said(/^1: to some$/m), server.said(/^sent to 1$/m)]);
  second.type(`connect ${port}\nbroadcast twice\n`);
  await server.said(/^3: twice$/m);
  server.type('list\n');
  await server.said(/^3 127\.0\.0\.1:\d+ \d+ bytes sent, \d+ received\n3 connected$/m);

  server.type('close 3\n');
  await server.said(/^3 closed, 2 remain$/m);
  await second.said(/^2 closed, 1 remain$/m);
  second.type('quit\n');
  expect(await second.ended).toBe(0);
  await server.said(/^2 closed, 1 remain$/m);
  server.endInput(); // Ctrl-D
  expect(await server.ended).toBe(0);
  await first.said(/^1 closed, 0 remain$/m);
  first.type('quit\n');
  expect(await first.ended).toBe(0);
  expect(server.stderr + first.stderr + second.stderr).toBe('');
});

test('what cannot be done is told and the next command can be typed', async () => {
  const client = start('message-client');
  client.type('send 7 hello\nwhat?\nconnect 1\nlist\nquit\n');
  expect(await client.ended).toBe(0);
  expect(client.stdout).toContain('there is no connection 7: see list');
  expect(client.stdout).toContain('commands:\nconnect');
  expect(client.stdout).toContain('no connection to 127.0.0.1:1');
  expect(client.stdout).toMatch(/failed: cannot connect to 127\.0\.0\.1:1: connection refused/);
  expect(client.stdout).toMatch(/^0 connected$/m);
  expect(client.stderr).toBe('');
});
