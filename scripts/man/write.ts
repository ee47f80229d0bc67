import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { versionOf } from '@filer/program';
import { manualPages } from './pages.ts';

const root = join(import.meta.dirname, '../..');

/** @returns the paths of the pages, below `folder` */
export function writeManual(folder: string): string[] {
  const pages = readdirSync(join(root, 'docs/cli'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => readFileSync(join(root, 'docs/cli', name), 'utf8'));
  mkdirSync(folder, { recursive: true });
  const manual = manualPages({
    pages: pages.join('\n'),
    version: versionOf(new URL('../../package.json', import.meta.url)),
    date: new Date().toISOString().slice(0, 10),
  });
  for (const [name, text] of manual) writeFileSync(join(folder, name), text);
  return [...manual.keys()].map((name) => join(folder, name));
}
