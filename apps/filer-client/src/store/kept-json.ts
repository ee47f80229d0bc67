import { CONFLICTS } from '@filer/protocol';
import * as v from 'valibot';

/* Fields of what is kept as JSON. What an older version did not keep has its default, and so has what cannot be read. */

export function kept<const T extends v.GenericSchema>(schema: T, otherwise: v.InferOutput<T>) {
  return v.fallback(schema, otherwise);
}

export const keptFlag = kept(v.boolean(), false);
export const keptText = kept(v.string(), '');
export const keptTexts = kept(v.pipe(v.array(v.string()), v.readonly()), []);
export const keptLinks = kept(v.picklist(['keep', 'copy', 'skip']), 'keep');
export const conflict = v.picklist(CONFLICTS);

/** @returns undefined for what is no JSON of an object */
export function parseKept<T extends v.GenericSchema>(schema: T, json: string): v.InferOutput<T> | undefined {
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), schema), json);
  return parsed.success ? parsed.output : undefined;
}

/** A list of texts; empty for what cannot be read. */
export function parseTexts(json: string): readonly string[] {
  return parseKept(keptTexts, json) ?? [];
}
