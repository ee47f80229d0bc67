import type { Route } from '@filer/program';
import type { Metrics } from './metrics.ts';

/**
 * What monitors and load balancers look at.
 *
 * @param problem why the server is not ready, in a word; undefined when it is
 */
export function monitorRoutes(metrics: Metrics, problem: () => Promise<string | undefined>): Route[] {
  return [
    {
      method: 'GET',
      path: '/healthz',
      access: 'open',
      describe: 'whether the process is alive',
      gives: 'application/json',
      handle: () => Response.json({ alive: true }),
    },
    {
      method: 'GET',
      path: '/readyz',
      access: 'open',
      describe: 'whether the store works and machines are accepted; 503 when not',
      gives: 'application/json',
      handle: async () => {
        const why = await problem();
        return Response.json(
          { ready: why === undefined, problem: why ?? null },
          { status: why === undefined ? 200 : 503 },
        );
      },
    },
    {
      method: 'GET',
      path: '/metrics',
      access: 'local',
      describe: 'numbers for Prometheus',
      gives: 'text/plain',
      handle: async () =>
        new Response(await metrics.text(), { headers: { 'content-type': metrics.contentType } }),
    },
  ];
}
