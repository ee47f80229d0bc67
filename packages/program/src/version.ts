import { readFileSync } from 'node:fs';

/** The version that a package states of itself. @param manifest its `package.json` */
export function versionOf(manifest: URL): string {
  const value: unknown = JSON.parse(readFileSync(manifest, 'utf8'));
  const version =
    typeof value === 'object' && value !== null && 'version' in value ? value.version : undefined;
  if (typeof version !== 'string') throw new Error(`${manifest.pathname} states no version`);
  return version;
}
