import {
  fieldsOf,
  FilerError,
  isName,
  leaveMessage,
  signLeave,
  parseHostPort,
  textOf,
  formatHostPort,
  type HostPort,
} from '@filer/protocol';
import { removeMembershipFile } from '../../store/membership-file.ts';
import { tellPeers } from '../../network/tell-peers.ts';
import type { Operation } from '../site.ts';

/** `trust NAME`: the name goes to who claims it now. */
export const trust: Operation = ({ member }, params) => {
  const name = textOf(fieldsOf(params, 'trust')['name'], 'NAME', { max: 64 });
  const pin = isName(name) ? member.directory.pin(name) : undefined;
  if (pin === undefined) {
    throw new FilerError(
      'no-such-peer',
      `no peer is or was called ${name}; \`filer-client peers\` lists them all`,
    );
  }
  if (pin.claimedBy !== undefined) member.directory.trust(name, pin.claimedBy);
  return Promise.resolve({
    name,
    id: pin.claimedBy ?? pin.id,
    was: pin.id,
    changed: pin.claimedBy !== undefined,
  });
};

/** `server HOST:PORT`: the server is reached there from now on; its id stays pinned. */
export const server: Operation = async ({ member, daemon, access }, params, { signal }) => {
  const address = parseHostPort(textOf(fieldsOf(params, 'server')['address'], 'HOST:PORT', { max: 300 }));
  const named = formatHostPort(address);
  const before = member.server;
  const others = before.addresses.filter((known) => formatHostPort(known) !== named);
  const keep = (addresses: readonly HostPort[]): Promise<void> =>
    member.keepServer({ ...member.server, addresses });
  if (daemon !== undefined) {
    await keep([address, ...others]);
    daemon.reconnect();
    return { address: named, id: member.server.id, connected: null };
  }
  // That the server answers at an address it had before would say nothing about this one.
  await keep([address]);
  try {
    await access.session(signal);
    await keep([address, ...others]);
    return { address: named, id: member.server.id, connected: true };
  } catch (error) {
    // A server that is only away is no reason to forget its new address; an imposter is.
    const isImposter = error instanceof FilerError && error.code === 'identity-mismatch';
    await keep(isImposter ? before.addresses : [address, ...others]);
    throw error;
  }
};

/** `leave`: the membership ends here, at the server if it can be told, else at the peers that can be reached. */
export const leave: Operation = async ({ member, access, software, jobs, daemon }, _params, { signal }) => {
  let told = true;
  const signed = signLeave(member.identity, member.membership, Date.now());
  try {
    const { session } = await access.session(signal);
    await session.ask(leaveMessage.format({ leave: signed }), { signal });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof FilerError)) throw error;
    told = false;
  }
  if (!told) await tellPeers({ member, access, software }, signed, signal);
  await removeMembershipFile(member.home.membershipFile);
  const result = {
    name: member.name,
    id: member.id,
    network: member.network,
    told,
    spooled: member.spool.size,
    jobs: await jobs.leave(),
  };
  daemon?.shutDown();
  return result;
};
