import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** In the program as it is shipped, and in a clone. */
const PLACE = 'packages/web/dist/machine';

/** The folder of the page of this machine, as `npm run build` makes it; undefined where it was left out. */
export function builtPage(): string | undefined {
  for (let folder = import.meta.dirname; ; folder = dirname(folder)) {
    const page = join(folder, PLACE);
    if (existsSync(page)) return page;
    if (folder === dirname(folder)) return undefined;
  }
}
