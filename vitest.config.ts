import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  resolve: {
    // Tests run on the sources: one FilerError class in one process.
    alias: {
      '@filer/protocol': source('./packages/protocol/src/index.ts'),
      '@filer/transfer': source('./packages/transfer/src/index.ts'),
      '@filer/program': source('./packages/program/src/index.ts'),
    },
  },
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/long/**'],
    testTimeout: 20_000,
    hookTimeout: 20_000,
  },
});
