import { message } from './declaration.ts';
import { anywhere } from './route.ts';

/** It was done; there is nothing else to say. */
export const okMessage = message({ type: 'ok', routes: [anywhere] });
