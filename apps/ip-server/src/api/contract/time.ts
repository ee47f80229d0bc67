import * as v from 'valibot';

/** ISO 8601 UTC. */
export const time = v.string();
