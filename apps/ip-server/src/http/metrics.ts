import type { EventRing } from '@filer/program';
import type { ServerEventData } from '../api/contract/events.ts';

/** What of a server is measured when a monitor asks. Each key of a record becomes a label, so there are few of them. */
export interface Measured {
  readonly version: string;
  /** Ms since the epoch. */
  readonly startedAt: number;
  readonly members: Readonly<Record<string, number>>;
  readonly schedules: Readonly<Record<string, number>>;
  readonly connections: number;
  readonly reportBytes: number;
  readonly attachmentBytes: number;
  readonly alarmsWaiting: Readonly<Record<string, number>>;
  /** 1 for what the store fails to do, 0 for what works. */
  readonly storeFailing: Readonly<Record<string, number>>;
  readonly calls: number;
  readonly streams: number;
}

/** Answers are sorted into these, in seconds: a list of 5,000 machines is to take less than one. */
const DURATIONS = [0.005, 0.02, 0.1, 0.3, 1, 3, 10];

/** What monitors read, in the format of Prometheus; what is a state is read when they ask. */
export class Metrics {
  readonly contentType: string;
  /** An answer was given. @param route as declared, and not what was asked for: labels are few */
  readonly answered: (route: string, method: string, status: number, ms: number) => void;
  readonly text: () => Promise<string>;
  readonly close: () => void;

  private constructor(parts: Pick<Metrics, 'contentType' | 'answered' | 'text' | 'close'>) {
    this.contentType = parts.contentType;
    this.answered = parts.answered;
    this.text = parts.text;
    this.close = parts.close;
  }

  static async open(
    measure: () => Promise<Measured>,
    events: Pick<EventRing<ServerEventData>, 'listen'>,
  ): Promise<Metrics> {
    // Loaded here: only a server that serves HTTP has monitors.
    const { Counter, Gauge, Histogram, Registry } = await import('@prometheus-io/client');
    const registry = new Registry();
    const registers = [registry];

    const gauge = (
      name: string,
      help: string,
      label?: string,
    ): ((values: Readonly<Record<string, number>>) => void) => {
      const made = new Gauge({ name, help, registers, labelNames: label === undefined ? [] : [label] });
      return (values) => {
        made.reset();
        for (const [key, value] of Object.entries(values))
          if (label === undefined) made.set(value);
          else made.set({ [label]: key }, value);
      };
    };
    const members = gauge('filer_members', 'Machines by how they stand; together all members.', 'standing');
    const schedules = gauge(
      'filer_schedules',
      'Schedules of members by the state of their reports.',
      'state',
    );
    const connections = gauge('filer_connections', 'Connections at the network port.');
    const reportBytes = gauge('filer_report_bytes', 'What stored reports take.');
    const attachmentBytes = gauge('filer_attachment_bytes', 'What files of reports take.');
    const alarms = gauge('filer_alarms_waiting', 'Alarms that are still to be delivered.', 'channel');
    const failing = gauge('filer_store_failing', '1 for what the store fails to do.', 'task');
    const calls = gauge('filer_http_calls', 'Calls of the API that are in work.');
    const streams = gauge('filer_http_streams', 'Open streams of events.');
    const memory = gauge('process_resident_memory_bytes', 'Resident memory.');
    const started = gauge('process_start_time_seconds', 'Start of the process, in seconds since the epoch.');
    const info = gauge('filer_server_info', 'The version of this server; always 1.', 'version');
    const cpu = new Counter({ name: 'process_cpu_seconds_total', help: 'Time on processors.', registers });
    const busy = new Counter({
      name: 'nodejs_eventloop_active_seconds_total',
      help: 'Time in which the event loop did work; its rate is how busy the server is.',
      registers,
    });
    const refresh = async (): Promise<void> => {
      const now = await measure();
      members(now.members);
      schedules(now.schedules);
      connections({ '': now.connections });
      reportBytes({ '': now.reportBytes });
      attachmentBytes({ '': now.attachmentBytes });
      alarms(now.alarmsWaiting);
      failing(now.storeFailing);
      calls({ '': now.calls });
      streams({ '': now.streams });
      memory({ '': process.memoryUsage.rss() });
      started({ '': Math.round(now.startedAt / 1_000) });
      info({ [now.version]: 1 });
      const { user, system } = process.cpuUsage();
      cpu.reset();
      cpu.inc((user + system) / 1_000_000);
      busy.reset();
      busy.inc(performance.eventLoopUtilization().active / 1_000);
    };

    const reports = new Counter({
      name: 'filer_reports_stored_total',
      help: 'Reports that were stored.',
      registers,
    });
    const told = new Counter({
      name: 'filer_events_total',
      help: 'Changes by what they concern.',
      labelNames: ['type'],
      registers,
    });
    const unlisten = events.listen(({ type, data }) => {
      told.inc({ type });
      if (type === 'report') reports.inc(data.count);
    });
    const requests = new Counter({
      name: 'filer_http_requests_total',
      help: 'Answers of the dashboard and the API.',
      labelNames: ['route', 'method', 'status'],
      registers,
    });
    const durations = new Histogram({
      name: 'filer_http_request_duration_seconds',
      help: 'Until an answer begins.',
      labelNames: ['route'],
      buckets: DURATIONS,
      registers,
    });
    const answered = (route: string, method: string, status: number, ms: number): void => {
      requests.inc({ route, method, status });
      durations.observe({ route }, ms / 1_000);
    };
    const text = async (): Promise<string> => {
      await refresh();
      return await registry.metrics();
    };
    return new Metrics({ contentType: registry.contentType, answered, text, close: unlisten });
  }
}
