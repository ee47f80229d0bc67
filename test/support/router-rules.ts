import { spawn } from 'node:child_process';

/**
 * What a router does with the ports of what goes out (`keeps` them, or gives `random` ones), and with a SYN that it does not
 * expect: it drops it, or with `resets` answers a reset.
 */
export type RouterKind = 'keeps' | 'random' | 'resets';

/** Rules for nft: what goes out gets the address of the router, what comes in unasked does not pass, of neither IP version. */
export function rulesOf(outside: string, kind: RouterKind): string {
  const address = kind === 'random' ? 'masquerade fully-random' : 'masquerade';
  const unasked = kind === 'resets' ? 'reject with tcp reset' : 'drop';
  return `flush ruleset
table inet router {
  chain outgoing { type nat hook postrouting priority 100; oifname "${outside}" meta nfproto ipv4 ${address}; }
  chain own { type filter hook input priority 0; iifname "${outside}" ct state new meta l4proto tcp ${unasked}; }
  chain passing { type filter hook forward priority 0; iifname "${outside}" ct state new drop; }
}
`;
}

/** No router says that a packet is too large. */
export const SILENT = `table inet silent {
  chain own { type filter hook output priority 0; icmp type destination-unreachable drop; icmpv6 type packet-too-big drop; }
  chain passing { type filter hook forward priority 0; icmp type destination-unreachable drop; icmpv6 type packet-too-big drop; }
}
`;

/** Gives a host rules, beside those that it has. */
export async function nft(host: string, rules: string): Promise<void> {
  const inHost = ['netns', 'exec', host, 'nft', '-f', '-'];
  const child = spawn('ip', inHost, { stdio: ['pipe', 'ignore', 'inherit'] });
  child.stdin.end(rules);
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`nft ended with ${String(code)}`);
}
