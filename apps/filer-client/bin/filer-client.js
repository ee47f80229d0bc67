#!/usr/bin/env node
const [major, minor] = process.versions.node.split('.').map(Number);
if (major > 24 || (major === 24 && minor >= 17)) {
  // Before all else is loaded.
  const { keepCompiled } = await import('../bundle/compile-cache.js');
  keepCompiled(import.meta.dirname);
  const { main } = await import('../bundle/main.js');
  await main('filer-client');
} else {
  console.error(
    `filer-client needs Node 24.17 or newer and this is ${process.version}: install a current Node (npm i -g node) and try again.`,
  );
  process.exit(1);
}
