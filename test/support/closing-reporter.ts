import type { Reporter, TestCase, TestModule } from 'vitest/node';

const SLOWEST = 10;
const SLOW_FROM_MS = 500;

/** Ends a run with what its reader wants to know next: the slowest tests, and what was skipped and why. */
export class ClosingReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const lines = [...slowest(tests), ...skipped(modules)];
    if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`);
  }
}

function slowest(tests: TestCase[]): string[] {
  const timed = tests
    .map((test) => ({ test, durationMs: test.diagnostic()?.duration ?? 0 }))
    .filter(({ durationMs }) => durationMs >= SLOW_FROM_MS)
    .toSorted((a, b) => b.durationMs - a.durationMs)
    .slice(0, SLOWEST);
  if (timed.length === 0) return [];
  const rows = timed.map(
    ({ test, durationMs }) => `${(durationMs / 1000).toFixed(1).padStart(7)} s  ${nameOf(test)}`,
  );
  return ['', 'Slowest tests:', ...rows];
}

function skipped(modules: readonly TestModule[]): string[] {
  return modules.flatMap((module) => {
    const tests = [...module.children.allTests('skipped')];
    if (tests.length === 0) return [];
    const missing = module.meta().missing ?? [];
    const why = missing.length === 0 ? '' : `: this machine lacks ${missing.join(', ')}`;
    return ['', `Skipped ${tests.length}${why}`, ...tests.map((test) => `  ${nameOf(test)}`)];
  });
}

function nameOf(test: TestCase): string {
  return `${test.module.relativeModuleId} > ${test.fullName}`;
}
