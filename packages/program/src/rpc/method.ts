import { FilerError, isErrorCode, type ErrorCode } from '@filer/protocol';
import * as v from 'valibot';

/** What a method takes, what it tells while it runs, and what it answers at its end: JSON values. */
export interface MethodTypes {
  readonly params: unknown;
  readonly item: unknown;
  readonly result: unknown;
}

/**
 * What may be done over HTTP, each role with all that those before it may: look; begin what is prepared, such as a collect, and send
 * texts; everything.
 */
export const ROLES = ['read', 'jobs', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** What others than the user of this machine may do with a method, and how it is accounted for. */
export interface Access<P> {
  /** The least role that may call it over HTTP. @default none: only commands of this machine call it */
  readonly access?: Role;
  /** Whether it changes something: it is called with POST, and stands in the audit log. @default false */
  readonly changes?: boolean;
  /** What is changed, for the audit log. @default the name of the method says all */
  target?(params: P): string;
}

/** One method of a daemon, declared once: the daemon implements it, commands call it, HTTP serves it. */
export interface Method<T extends MethodTypes> extends Access<T['params']> {
  readonly name: string;
  readonly params: v.GenericSchema<T['params']>;
  readonly item: v.GenericSchema<T['item']>;
  readonly result: v.GenericSchema<T['result']>;
}

/** The types of a declared method: `TypesOf<typeof ls>`. */
export type TypesOf<M> = M extends Method<infer T> ? T : never;

/** Every method of a daemon, by the key under which it is implemented. */
export type Contract<M extends Record<keyof M, MethodTypes>> = {
  readonly [K in keyof M]: Method<M[K]>;
};

interface Declaration<P, I, R> extends Access<P> {
  readonly params: v.GenericSchema<P>;
  /** @default no items */
  readonly item?: v.GenericSchema<I>;
  readonly result: v.GenericSchema<R>;
}

/**
 * Declares a method.
 *
 *     const ls = method('ls', {
 *       params: v.object({ source: v.string() }),
 *       item: v.object({ name: v.string(), size: count }),
 *       result: v.object({ peer: v.string() }),
 *     });
 */
export function method<P, R, I = never>(
  name: string,
  { item, ...declared }: Declaration<P, I, R>,
): Method<{ readonly params: P; readonly item: I; readonly result: R }> {
  return { name, item: item ?? v.never(), ...declared };
}

/** What a method without parameters takes. */
export const NO_PARAMS = v.object({});

/** A list that its reader does not change. */
export function arrayOf<const S extends v.GenericSchema>(item: S, max = Number.POSITIVE_INFINITY) {
  return v.pipe(v.array(item), v.maxLength(max), v.readonly());
}

/** Well-formed text. @param max in UTF-16 units */
export function text(max = 1_024) {
  return v.pipe(
    v.string(),
    v.maxLength(max),
    v.check((value) => value.isWellFormed(), 'ill-formed Unicode'),
  );
}

export const errorCode = v.custom<ErrorCode>((value) => typeof value === 'string' && isErrorCode(value));

/** A value that a parse function accepts: a signed document, for one. */
export function parsedBy<T>(parse: (value: unknown) => T) {
  return v.custom<T>((value) => {
    try {
      parse(value);
      return true;
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      return false;
    }
  });
}

/** An integer from 0 on. */
export const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
