#!/usr/bin/env node
const [major, minor] = process.versions.node.split('.').map(Number);
if (major > 24 || (major === 24 && minor >= 17)) {
  const { main } = await import('../bundle/main.js');
  await main('filer');
} else {
  console.error(
    `filer needs Node 24.17 or newer and this is ${process.version}: install a current Node (npm i -g node) and try again.`,
  );
  process.exit(1);
}
