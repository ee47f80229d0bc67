/**
 * Builds the pages of packages/web with vite: `packages/web/dist/NAME/` is one page, its index.html and a handful of
 * files with hashed names.
 */
import { join } from 'node:path';
import { build } from 'vite';

const PAGES = ['dashboard', 'machine'];

const web = join(import.meta.dirname, '..', 'packages/web');

await Promise.all(
  PAGES.map((page) =>
    build({
      configFile: false,
      logLevel: 'warn',
      root: join(web, 'src', page),
      build: {
        outDir: join(web, 'dist', page),
        emptyOutDir: true,
        target: 'es2024',
        // The content security policy allows neither inline scripts nor data: addresses.
        assetsInlineLimit: 0,
        modulePreload: { polyfill: false },
      },
    }),
  ),
);
