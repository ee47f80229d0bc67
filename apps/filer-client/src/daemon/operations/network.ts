import { FilerError, formatHostPort, isName, leaveMessage, parseHostPort, signLeave } from '@filer/protocol';
import { stoppingProcess } from '@filer/program';
import type { peerMethods } from '../../api/contract/peers.ts';
import { tellPeers } from '../../network/tell-peers.ts';
import { setMembershipFileAside } from '../../store/membership-file.ts';
import type { OperationOf } from '../operation-context.ts';
import { Deadline } from './deadline.ts';

/** `trust NAME`: the name goes to who claims it now. */
export const trust: OperationOf<typeof peerMethods.trust> = ({ member }, { name }) => {
  const pin = isName(name) ? member.directory.pin(name) : undefined;
  if (pin === undefined) {
    throw new FilerError(
      'no-such-peer',
      `no peer is or was called ${name}; \`filer-client peers\` lists them all`,
    );
  }
  if (pin.claimedBy !== undefined) member.directory.trust(name, pin.claimedBy);
  return {
    name,
    id: pin.claimedBy ?? pin.id,
    was: pin.id,
    changed: pin.claimedBy !== undefined,
  };
};

/** `server HOST:PORT`: the server is reached there from now on; its id stays pinned. */
export const server: OperationOf<typeof peerMethods.server> = async (
  { member, daemon },
  { address: typed, timeoutMs },
  { signal },
) => {
  const address = parseHostPort(typed);
  using deadline = new Deadline(timeoutMs, signal);
  const connected = await deadline.whole((stop) => daemon.useServer(address, stop));
  return { address: formatHostPort(address), id: member.server.id, connected };
};

/** `stop` */
export const stop: OperationOf<typeof peerMethods.stop> = ({ daemon }) => {
  daemon.requireRunning();
  daemon.shutDown('filer-client stop');
  return stoppingProcess();
};

/** `leave`: the membership ends here, at the server if it can be told, else at the peers that can be reached. */
export const leave: OperationOf<typeof peerMethods.leave> = async (
  { member, access, software, jobs, daemon },
  { timeoutMs },
  { signal },
) => {
  using deadline = new Deadline(timeoutMs, signal);
  let told = true;
  member.isLeaving = true;
  const signed = signLeave(member.identity, member.membership, Date.now());
  try {
    await deadline.forServer(async (stop) => {
      const { session } = await access.session(stop);
      await session.ask(leaveMessage.format({ leave: signed }), { signal: stop });
    });
  } catch (error) {
    if (signal.aborted || !(error instanceof FilerError)) {
      member.isLeaving = false;
      throw error;
    }
    told = false;
  }
  if (!told) await tellPeers({ member, access, software }, signed, { signal, over: deadline.signal });
  await setMembershipFileAside(member.home.membershipFile);
  const result = {
    name: member.name,
    id: member.id,
    network: member.network,
    told,
    spooled: member.spool.size,
    jobs: await jobs.leave(),
  };
  daemon.shutDown('this machine has left the network');
  return result;
};
