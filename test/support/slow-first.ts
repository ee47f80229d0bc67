import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Their tests wait: for other processes, time-outs and browsers. */
const SLOW = /\/test\/(?:faults|hostile|web|e2e)\//;

/** Begins with the folders that take long: what runs last is short, so that no worker is idle while another one ends. */
export class SlowFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => (SLOW.test(moduleId) ? 0 : 1);
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}
