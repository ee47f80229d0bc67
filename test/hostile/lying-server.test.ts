import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  formatStored,
  parseAttach,
  reportMessage,
  spoolMessage,
  type Message,
  type Reply,
} from '@filer/protocol';
import { expect, test } from 'vitest';
import { runHere } from '../support/in-process.ts';
import { ListeningServer } from '../support/listening-server.ts';
import { NetworkHere } from '../support/network-here.ts';
import { jsonLines } from '../support/programs.ts';

/** Says of all that it has it, and signs for nothing. */
function saysStored(message: Message): Reply | undefined {
  switch (message.header['type']) {
    case 'spool':
      return formatStored({ spool: spoolMessage.parse(message).spool, seq: 0 });
    case 'attach':
      return formatStored(parseAttach(message));
    case 'report':
      return formatStored(reportMessage.parse(message));
    default:
      return undefined;
  }
}

test('files of a report for which the server signed no receipt stay, whatever it says', async () => {
  await using network = await NetworkHere.open();
  await network.join('anna');
  const home = network.home('anna');
  const file = join(network.folder, 'a');
  await writeFile(file, 'the only copy');
  const run = (...args: string[]) => runHere('filer-client', home, [...args, '--json']);
  await network.stopServer();
  {
    await using _liar = await ListeningServer.open(network.serverHome, network.port, saysStored);
    expect((await run('report', 'n=1', '--attach', file)).code).toBe(6);
  }
  const [{ reports = [] } = {}] = jsonLines(await run('report', 'spool'));
  expect(reports).toMatchObject([{ state: 'refused', code: 'refused', attachments: [{ name: 'a' }] }]);
  const spool = join(home, 'attachments');
  const [folder = ''] = await readdir(spool);
  expect(await readFile(join(spool, folder, '0'), 'utf8')).toBe('the only copy');

  await network.startServer();
  expect((await run('report', 'spool', 'retry', '--all')).code).toBe(0);
  expect((await run('report', 'n=2')).code).toBe(0);
  expect(await readdir(spool)).toEqual([]);
});
