import type { ProgressDisplay } from '@filer/program';
import type { JobStarted, SendEvent } from '../../api/contract/send.ts';

/** Shows what is told about a job in a display of progress. */
export function showProgress(event: SendEvent, display: ProgressDisplay, job: JobStarted | undefined): void {
  // Of several recipients the lines of progress say it.
  const isSaid = job?.recipients.length === 1 || !display.isDrawn;
  switch (event.type) {
    case 'job':
      display.expect(event.recipients.map(({ name }) => name));
      break;
    case 'progress':
      display.show(event.recipient, event, event.bytesSent);
      break;
    case 'waiting':
      display.mark(event.recipient, 'asked');
      if (!isSaid) break;
      display.say(
        `${event.recipient} was asked and has not answered yet (Ctrl-C ${job?.queue === true ? 'only stops watching' : 'withdraws it'})`,
      );
      break;
    case 'retry':
      display.mark(event.recipient, 'lost');
      if (isSaid) display.say(`${event.recipient} was lost (${event.reason}), trying again`);
      break;
    case 'queued':
      display.mark(event.recipient, 'queued');
      // Of several the last lines tell it once.
      if (job?.recipients.length === 1) display.say(`queued for ${event.recipient}: ${event.reason}`);
      break;
    case 'recipient':
      display.mark(event.recipient, event.ok ? 'done' : 'failed');
      break;
    default:
  }
}
