// Adds up vitest's JSON reports (the arguments) and ends with one line `N passed, N failed`. Fails when a test
// failed or was skipped, or when none ran. Plain JavaScript: a machine's first Node may be an old one.
import { existsSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';

let passed = 0;
let failed = 0;
let skipped = 0;
for (const file of process.argv.slice(2).filter((path) => existsSync(path))) {
  const report = JSON.parse(readFileSync(file, 'utf8'));
  const idle = report.numPendingTests + report.numTodoTests;
  console.log(`${basename(file, '.json')}: ${report.numPassedTests} passed, ${idle} skipped`);
  for (const { name, message, assertionResults } of report.testResults) {
    for (const test of assertionResults) {
      if (test.status !== 'passed') console.log(`  ${test.status}: ${name} > ${test.fullName}`);
    }
    // A file that could not be loaded has no tests that could fail: it counts as one.
    if (message && assertionResults.every((test) => test.status !== 'failed')) {
      failed += 1;
      console.log(`  failed: ${name}: ${message}`);
    }
  }
  passed += report.numPassedTests;
  failed += report.numFailedTests;
  skipped += idle;
}
if (skipped > 0) console.log('This run may skip nothing.');
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed > 0 || skipped > 0 || passed === 0 ? 1 : 0;
