// Adds up vitest's JSON reports (the arguments) and ends with one line `N passed, N failed`. Fails when a test
// failed or was skipped, or when none ran. Of NAME.json, the files that NAME-again.json has ran twice, and the second
// time counts: what passed only then is listed as unsteady. Plain JavaScript: a machine's first Node may be an old one.
//
// `--again REPORT` prints the files that failed, to be run once more: none when they are too many to be chance.
import { existsSync, readFileSync } from 'node:fs';
import { basename, relative } from 'node:path';

const FEW = 3;

const read = (path) => JSON.parse(readFileSync(path, 'utf8'));
const nameOf = (file, test) => `${relative('', file.name)} > ${test.fullName}`;
const hasPassed = (file, { fullName }) =>
  file.assertionResults.some((test) => test.fullName === fullName && test.status === 'passed');

function filesToRepeat(path) {
  const { testResults, unhandledErrors = [] } = existsSync(path) ? read(path) : { testResults: [] };
  const failed = testResults.filter(({ status }) => status === 'failed');
  // An error outside of the tests has no file that could be repeated.
  return failed.length > FEW || unhandledErrors.length > 0
    ? []
    : failed.map(({ name }) => relative('', name));
}

function tally(paths) {
  const total = { passed: 0, failed: 0, skipped: 0, unsteady: 0 };
  const count = (outcome, text) => {
    total[outcome] += 1;
    if (text) console.log(`${outcome}: ${text}`);
  };
  for (const path of paths) {
    const again = path.replace(/\.json$/, '-again.json');
    const [first, second] = [read(path), existsSync(again) ? read(again) : { testResults: [] }];
    const before = { ...total };
    for (const file of first.testResults) {
      const repeated = second.testResults.find(({ name }) => name === file.name);
      const { assertionResults, status, message } = repeated ?? file;
      for (const test of assertionResults) {
        const outcome = { passed: 'passed', failed: 'failed' }[test.status] ?? 'skipped';
        count(outcome, outcome === 'passed' ? '' : nameOf(file, test));
        if (outcome === 'passed' && !hasPassed(file, test)) count('unsteady', nameOf(file, test));
      }
      // A file that could not be loaded has no tests that could fail: it counts as one.
      if (status === 'failed' && assertionResults.every((test) => test.status !== 'failed')) {
        count('failed', `${relative('', file.name)}: ${message}`);
      }
    }
    for (const error of [first, second].flatMap(({ unhandledErrors = [] }) => unhandledErrors))
      count('failed', error);
    const [passed, skipped] = [total.passed - before.passed, total.skipped - before.skipped];
    console.log(`${basename(path, '.json')}: ${passed} passed, ${skipped} skipped`);
  }
  return total;
}

const [first, ...rest] = process.argv.slice(2);
if (first === '--again') {
  for (const file of rest.flatMap(filesToRepeat)) console.log(file);
} else {
  const reports = process.argv.slice(2).filter((path) => existsSync(path) && !path.endsWith('-again.json'));
  const { passed, failed, skipped, unsteady } = tally(reports);
  if (skipped > 0) console.log('This run may skip nothing.');
  const more = [skipped > 0 ? `, ${skipped} skipped` : '', unsteady > 0 ? `, ${unsteady} unsteady` : ''];
  console.log(`${passed} passed, ${failed} failed${more.join('')}`);
  process.exitCode = failed > 0 || skipped > 0 || passed === 0 ? 1 : 0;
}
