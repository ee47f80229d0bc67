import { FilerError, PASS_ON } from '@filer/protocol';
import { EarlierHolders, type RelayMember } from '@filer/transfer';
import type { Outreach } from '../network/outreach.ts';
import { reachForTransfer } from '../network/reach-for-transfer.ts';
import { subnetOf } from '../jobs/subnet.ts';

/** So many are asked for one that comes late: each costs a connection. */
const MOST_ASKED = 3;

/** Recipients of a job that have all of it, for those that come late: of the network of these, where the way is short. */
export function earlierRecipients(job: string, outreach: Outreach): EarlierHolders {
  const { member } = outreach;
  const candidates = ({ id: late, subnet }: RelayMember): RelayMember[] =>
    member.jobs
      .deliveries(job)
      .filter(({ peer, state }) => state === 'delivered' && peer !== late)
      .flatMap(({ peer }) => member.directory.byId(peer) ?? [])
      .filter((peer) => subnet !== undefined && subnetOf(peer) === subnet)
      .slice(-MOST_ASKED)
      .map(({ id }) => ({ id, passes: true, subnet }));
  return new EarlierHolders({
    job,
    candidates,
    open: async (id, signal) => {
      const peer = member.directory.byId(id);
      if (peer === undefined) throw new FilerError('no-such-peer', 'it is not known here');
      const { messenger, features } = await reachForTransfer(outreach, peer, 0, signal, {
        uses: [PASS_ON],
        ways: 'direct',
      });
      if (features.includes(PASS_ON)) return messenger;
      await messenger.close();
      throw new FilerError('unsupported', 'it passes nothing on');
    },
  });
}
