import { counted, failed, ok, skipped, type Check } from '@filer/program';
import type { doctorMethods } from '../../api/contract/doctor.ts';
import { checkHome, checkMembership, checkSpool, checkWatches } from '../../doctor/home-checks.ts';
import { checkPeer } from '../../doctor/peer-checks.ts';
import { checkClock, checkNat, checkReachable, checkServer } from '../../doctor/server-checks.ts';
import { watchDocument } from '../../watch/watch-document.ts';
import type { OperationContext, OperationOf } from '../operation-context.ts';
import { Deadline } from './deadline.ts';
import { findPeer } from './recipients.ts';

export const doctor: OperationOf<typeof doctorMethods.doctor> = async (
  context,
  { peer, timeoutMs },
  { emit, signal },
) => {
  using deadline = new Deadline(timeoutMs, signal);
  const checks: Check[] = [];
  const found = peer === undefined ? undefined : await findPeer(context, peer, deadline.signal, timeoutMs);
  const work = async (stop: AbortSignal): Promise<void> => {
    for await (const check of allChecks(context, stop)) {
      checks.push(check);
      await emit(check);
    }
    if (found === undefined) return;
    for await (const check of checkPeer(context, found, stop)) {
      checks.push(check);
      await emit(check);
    }
  };
  await deadline.whole(work);
  return { version: context.software, checks };
};

async function* allChecks(context: OperationContext, signal: AbortSignal): AsyncGenerator<Check, void, void> {
  const { member, access, daemon } = context;
  const watches = member.watches.all();
  yield checkMembership(member);
  // What is wrong in them, the command says.
  const settings = await daemon.settings(() => undefined);
  yield* checkHome(member.home, settings, watches.length);
  yield checkDaemon(context);
  const { check, server, probed } = await checkServer(member, access, signal);
  yield check;
  if (server !== undefined && probed !== undefined) {
    yield checkClock(probed.aheadMs, 'the ip-server');
    const { welcome, localHost, session } = server;
    const { localPort } = session.messenger.socket;
    yield checkNat({ observed: welcome.observed, localHost, localPort });
    yield daemon.listen === null
      ? skipped('reachable', 'no daemon listens here')
      : await checkReachable(member, server, daemon.listen, signal);
  }
  yield checkSpool(member, server !== undefined && daemon.isRunning, Date.now());
  const shown = watches.map((watch) => watchDocument(member, watch, daemon.watches.standing(watch.id)));
  const watched = checkWatches(shown, daemon.isRunning);
  if (watched !== undefined) yield watched;
}

function checkDaemon({ daemon, software }: OperationContext): Check {
  const facts = { running: daemon.isRunning, listen: daemon.listen, version: software };
  if (!daemon.isRunning || daemon.listen === null)
    return failed(
      'daemon',
      'no daemon runs here: this machine receives nothing, and reports nothing by itself',
      '`filer-client start`, or `filer-client service install` to start it with the machine',
      facts,
    );
  return ok(
    'daemon',
    `runs, listens on ${daemon.listen}, version ${software}, ${counted(daemon.connections(), 'connection')}`,
    facts,
  );
}
