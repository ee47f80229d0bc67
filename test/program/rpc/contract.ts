import { arrayOf, count, method, NO_PARAMS, type Call } from '@filer/program';
import * as v from 'valibot';

/** Methods of a daemon that tests make up. */
export const contract = {
  double: method('double', { params: v.object({ of: v.number() }), result: v.number() }),
  nothing: method('nothing', { params: NO_PARAMS, result: v.undefined() }),
  count: method('count', {
    params: v.object({ to: count, together: v.exactOptional(count) }),
    item: v.object({ n: count }),
    result: v.object({ told: count }),
  }),
  names: method('names', {
    params: v.object({ prefix: v.string() }),
    result: v.object({ names: arrayOf(v.string()), note: v.optional(v.string()) }),
  }),
  pages: method('pages', { params: NO_PARAMS, item: v.string(), result: v.undefined() }),
  wait: method('wait', { params: NO_PARAMS, item: v.literal('started'), result: v.string() }),
};

type Numbers = { readonly to: number; readonly together?: number };

/** Tells the numbers below `to`, so many together, and awaits that they are taken. */
export async function countUp({ to, together = 1 }: Numbers, { emit }: Call<{ n: number }>) {
  for (let n = 0; n < to; n += together)
    await emit(...Array.from({ length: Math.min(together, to - n) }, (_, index) => ({ n: n + index })));
  return { told: to };
}
