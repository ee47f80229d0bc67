import { readFile, writeFile } from 'node:fs/promises';
import { JsonReporter, type SerializedError, type TestModule } from 'vitest/node';

/** vitest's JSON report, and the errors outside of all tests, which it leaves out. */
export class RunReport extends JsonReporter {
  readonly #path: string;

  constructor(path: string) {
    super({ outputFile: path });
    this.#path = path;
  }

  override async onTestRunEnd(
    modules: readonly TestModule[],
    errors: readonly SerializedError[] = [],
  ): Promise<void> {
    await super.onTestRunEnd(modules);
    if (errors.length === 0) return;
    const report: object = JSON.parse(await readFile(this.#path, 'utf8'));
    const unhandledErrors = errors.map(({ name, message }) => `${name}: ${message}`);
    await writeFile(this.#path, JSON.stringify({ ...report, unhandledErrors }));
  }
}
