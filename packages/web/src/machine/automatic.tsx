import { Schedules } from './schedules.tsx';
import { Shares } from './shares.tsx';
import { Watches } from './watches.tsx';

/** What this machine does by itself: folders that it ships, and reports; and what others may fetch. */
export function Automatic() {
  return (
    <>
      <Watches />
      <Schedules />
      <Shares />
    </>
  );
}
