import { chmod, mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { withReceiver } from './by-hand.ts';
import { deliveredBefore } from './delivered-before.ts';
import { transfer, twoEnds } from './two-ends.ts';

const LARGE_BYTES = 300 * 1024;

async function modeOf(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o7777).toString(8);
}

describe.each([
  ['022', { open: '755', write: '644', own: '700' }],
  ['027', { open: '750', write: '640', own: '700' }],
  ['077', { open: '700', write: '600', own: '700' }],
])('under the umask %s of the receiver', (octal, expected) => {
  function masked(): void {
    const before = process.umask(parseInt(octal, 8));
    onTestFinished(() => void process.umask(before));
  }

  test('files and folders have no bit that it takes away, nor set-user-id, set-group-id or sticky', async () => {
    const ends = await twoEnds();
    const tree = join(ends.home, 'tree');
    await mkdir(join(tree, 'open'), { recursive: true });
    await mkdir(join(tree, 'own'));
    await writeFile(join(tree, 'open', 'small'), 'x');
    await writeFile(join(tree, 'open', 'large'), Buffer.alloc(LARGE_BYTES));
    await writeFile(join(tree, 'own', 'write'), 'x');
    await chmod(join(tree, 'open', 'small'), 0o6777);
    await chmod(join(tree, 'open', 'large'), 0o777);
    await chmod(join(tree, 'own', 'write'), 0o666);
    await chmod(join(tree, 'open'), 0o3777);
    await chmod(join(tree, 'own'), 0o700);
    masked();

    const { sent } = await transfer(ends, ['tree']);
    expect(sent).toMatchObject({ ok: true, filesDelivered: 3 });

    const at = (path: string) => modeOf(join(ends.inbox, 'alice', 'tree', path));
    const modes = await Promise.all(['open', 'open/small', 'open/large', 'own', 'own/write'].map(at));
    const { open, write, own } = expected;
    expect(modes).toEqual([open, open, open, own, write]);
  });

  test('a file that is there already gets no such bit either', async () => {
    const ends = await twoEnds();
    await writeFile(join(ends.home, 'a'), 'x');
    masked();
    const receive = { deliveries: deliveredBefore() };
    await transfer(ends, ['a'], { receive });
    await chmod(join(ends.home, 'a'), 0o777);

    const { sent } = await transfer(ends, ['a'], { receive });

    expect(sent).toMatchObject({ ok: true, filesSkipped: 1 });
    expect(await modeOf(join(ends.inbox, 'alice', 'a'))).toBe(expected.open);
  });

  test('a hostile sender that names another mode with the content gains nothing', async () => {
    const ends = await twoEnds();
    masked();
    const { hand, outcome } = await withReceiver(ends);
    await hand.offer({ a: 1 });
    await hand.say({ type: 'file', entry: '0', size: '1', mtimeNs: '0', mode: String(0o7777) });
    await hand.chunk(0, 0, Buffer.from('x'));
    await hand.end(0, Buffer.from('x'));
    await hand.say({ type: 'done' });

    expect(await outcome).toMatchObject({ ok: true });
    expect(await modeOf(join(ends.inbox, 'alice', 'a'))).toBe(expected.open);
  });
});
