import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Example } from './example.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));

/** Packing, and an install that may load a few packages from the registry. */
const INSTALL_TIMEOUT_MS = 180_000;

const FILES = ['echo-tcp-server', 'echo-tcp-client', 'message-server', 'message-client', 'message-commands'];

describe('the packed library, installed into an empty folder with the examples next to it', () => {
  let folder: string;
  const at = (name: string): string => join(folder, name);
  const start = (name: string, ...args: string[]): Example =>
    new Example(process.execPath, [at(`${name}.ts`), ...args], folder);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'filer-packed-'));
    const workspaces = ['packages/protocol', 'packages/sockets'].flatMap((path) => ['--workspace', path]);
    await run('npm', ['pack', ...workspaces, '--pack-destination', folder], { cwd: root });
    const tarballs = (await readdir(folder)).map((name) => `./${name}`);
    await writeFile(at('package.json'), '{ "type": "module" }');
    await run('npm', ['install', '--prefer-offline', ...tarballs], { cwd: folder });
    for (const name of FILES) await cp(join(root, 'examples', `${name}.ts`), at(`${name}.ts`));
  }, INSTALL_TIMEOUT_MS);

  afterAll(() => rm(folder, { recursive: true, force: true }));

  test('an echo server and its client run', async () => {
    const server = start('echo-tcp-server');
    const client = start('echo-tcp-client', await server.port());
    client.type('hello\n');
    client.endInput();
    expect([await client.ended, client.stdout, client.stderr]).toEqual([0, 'hello\n', '']);
    expect([await server.interrupt(), server.stderr]).toEqual([0, '']);
  });

  test('a message server and its client run', async () => {
    const server = start('message-server');
    const client = start('message-client', await server.port());
    client.type('broadcast hello\n');
    await server.said(/^1: hello$/m);
    client.endInput();
    server.type('quit\n');
    expect([await client.ended, await server.ended]).toEqual([0, 0]);
    expect(server.stderr + client.stderr).toBe('');
  });

  test('the server and the client of the README run as they stand there, but for the port', async () => {
    const readme = await readFile(at('node_modules/@filer/sockets/README.md'), 'utf8');
    const block = (name: string): string =>
      new RegExp(`// ${name}\\.ts\n([^]*?)\`\`\``).exec(readme)?.[1]?.trimEnd() ?? '';
    expect(`${block('server')}\n${block('client')}`.split('\n').length).toBeLessThanOrEqual(20);
    await writeFile(at('server.ts'), block('server').replace('7777', '0'));
    const serving = start('server');
    await writeFile(at('client.ts'), block('client').replace('7777', await serving.port()));
    const calling = start('client');
    expect([await calling.ended, calling.stdout, calling.stderr]).toEqual([0, 'you said: hello\n', '']);
    expect([await serving.interrupt(), serving.stderr]).toEqual([0, '']);
  });

  test('its types hold there, under strict rules and without any of the repository', async () => {
    const options = {
      strict: true,
      exactOptionalPropertyTypes: true,
      module: 'nodenext',
      target: 'es2024',
      lib: ['es2024', 'esnext.disposable'],
      noEmit: true,
      allowImportingTsExtensions: true,
      // What every TypeScript program for Node has: TypeScript itself and the types of Node.
      types: ['node'],
      typeRoots: [join(root, 'node_modules/@types')],
    };
    await writeFile(at('tsconfig.json'), JSON.stringify({ compilerOptions: options, include: ['*.ts'] }));
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    const checked = await run(process.execPath, [compiler, '-p', folder]).catch((error: unknown) => error);
    expect(checked).toMatchObject({ stdout: '' });
    expect(checked).not.toBeInstanceOf(Error);

    await writeFile(
      at('wrong.ts'),
      `import { serve } from '@filer/sockets'; await serve(7, () => undefined);`,
    );
    await expect(run(process.execPath, [compiler, '-p', folder])).rejects.toThrow('Command failed');
  });

  test('no public type is any', async () => {
    const types = at('node_modules/@filer');
    const names = (await readdir(types, { recursive: true })).filter((name) => name.endsWith('.d.ts'));
    expect(names.length).toBeGreaterThan(40);
    const withAny = await Promise.all(
      names.map(async (name) => {
        const text = await readFile(join(types, name), 'utf8');
        return /\bany\b/.test(text.replaceAll(/\/\*[^]*?\*\/|\/\/.*|'[^'\n]*'/g, '')) ? [name] : [];
      }),
    );
    expect(withAny.flat()).toEqual([]);
  });

  test('importing it does nothing: no output, nothing that keeps a process alive, no dependency loaded', async () => {
    const code = `
      await import('@filer/protocol');
      await import('@filer/sockets');
      const loaded = process.getActiveResourcesInfo().filter((name) => name !== 'PipeWrap');
      console.log(JSON.stringify(loaded));`;
    const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', code], {
      cwd: folder,
    });
    expect([stdout, stderr]).toEqual(['[]\n', '']);
    const manifest: unknown = JSON.parse(
      await readFile(at('node_modules/@filer/protocol/package.json'), 'utf8'),
    );
    expect(manifest).toMatchObject({
      sideEffects: false,
      // What makes certificates, and nothing else.
      dependencies: { '@peculiar/x509': expect.any(String), 'reflect-metadata': expect.any(String) },
    });
    expect(Object.keys((manifest as { dependencies: object }).dependencies)).toHaveLength(2);
  });
});
