import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EvilPeer } from './evil-peer.ts';
import { NetworkHere, type ClientHere } from './network-here.ts';
import { TcpProxy } from './tcp-proxy.ts';

/** A network in this process in which anna sees bob online, and who dials bob reaches a liar with bob's key. */
export interface LiarHere {
  readonly network: NetworkHere;
  readonly proxy: TcpProxy;
  readonly liar: EvilPeer;
  readonly anna: ClientHere;
}

export async function openLiar(): Promise<LiarHere> {
  const network = await NetworkHere.open();
  const proxy = await TcpProxy.open();
  const anna = await network.add('anna');
  await network.join('bob');
  await writeFile(join(network.home('bob'), 'config.toml'), `advertise = ["${proxy.address}"]\n`);
  await (await network.start(network.home('bob'))).connected();
  const liar = await EvilPeer.open(network.home('bob'));
  proxy.target = liar.address;
  await anna.sees('bob');
  return { network, proxy, liar, anna };
}
