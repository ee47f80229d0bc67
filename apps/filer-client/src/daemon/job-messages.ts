import { collectMessage, holdingMessage, listMessage, OK, stageMessage } from '@filer/protocol';
import type { Member } from '../network/member.ts';
import type { PeerRouter } from '../network/peer-router.ts';
import type { ServerRouter } from '../network/server-link.ts';
import { answerList } from '../serve/listing.ts';
import type { CollectDeliveries } from '../send/collect-deliveries.ts';
import type { StageSwitch } from '../receive/stage/stage-switch.ts';
import type { PossessionServer } from '../serve/possession-server.ts';

/** Handles what other members ask about files: what is shared with them, whether theirs are still there, and their releases. */
export function routeFiles(
  router: PeerRouter,
  member: Member,
  holdings: PossessionServer,
  staged: Pick<StageSwitch, 'answer'>,
): void {
  router
    .onUnparsed(listMessage, (message, { peerId, session }) => answerList(member, peerId, message, session))
    .onUnparsed(holdingMessage, (message, { peerId, session }) => holdings.answer(message, session, peerId))
    .onUnparsed(stageMessage, (message, { peerId, session }) => staged.answer(message, session, peerId));
}

/** Begins to deliver what a collect asks for. */
export function routeCollects(router: ServerRouter, collects: CollectDeliveries): void {
  router.on(collectMessage, (asked) => {
    collects.begin(asked);
    return OK;
  });
}
