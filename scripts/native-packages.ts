/** Packages with a binary for each platform: not bundled, npm installs the one that fits. */
export const NATIVE = /^@napi-rs\//;
