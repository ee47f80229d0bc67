/**
 * Takes `__proto__` from all objects of this process, as `node --disable-proto=delete` does: in what other machines say it is then a
 * key like any other, whatever code reads it.
 */
export function removeProtoAccess(): void {
  Reflect.deleteProperty(Object.prototype, '__proto__');
}
