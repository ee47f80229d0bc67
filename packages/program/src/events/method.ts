import * as v from 'valibot';
import type { Call } from '../rpc/implement.ts';
import { arrayOf, method, text, type Method } from '../rpc/method.ts';
import type { EventData, EventOf, EventRing } from './ring.ts';

export interface EventsParams<D> {
  /** The id of the last event that the caller has. @default begins with `reset` */
  readonly since?: string;
  /** @default all types */
  readonly types?: readonly (keyof D & string)[];
}

/** Tells what happens at a daemon, until it ends. */
export type EventsMethod<D> = Method<{
  readonly params: EventsParams<D>;
  readonly item: EventOf<D>;
  readonly result: object;
}>;

/** What each type of event carries. */
export type EventSchemas<D> = { readonly [K in keyof D & string]: v.GenericSchema<D[K]> };

/** Declares the method `events` of a daemon. @param schemas by the type of event */
export function eventsMethod<D extends EventData>(schemas: EventSchemas<D>): EventsMethod<D> {
  const isType = (type: unknown): type is keyof D & string =>
    typeof type === 'string' && Object.hasOwn(schemas, type);
  const head = v.object({ id: v.string(), type: v.string(), data: v.unknown() });
  return method('events', {
    params: v.object({
      since: v.exactOptional(text(64)),
      types: v.exactOptional(arrayOf(v.custom<keyof D & string>(isType))),
    }),
    item: v.custom<EventOf<D>>((item) => {
      if (!v.is(head, item)) return false;
      if (item.type === 'reset') return true;
      const schema = isType(item.type) ? schemas[item.type] : undefined;
      return schema !== undefined && v.is(schema, item.data);
    }),
    result: v.object({}),
  });
}

/** What the method does. */
export async function tellEvents<D extends EventData>(
  ring: EventRing<D>,
  { since, types }: EventsParams<D>,
  { emit, signal }: Call<EventOf<D>>,
): Promise<object> {
  for await (const events of ring.batches({ since, types, signal })) await emit(...events);
  return {};
}
