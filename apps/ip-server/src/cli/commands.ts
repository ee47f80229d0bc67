import { defineCommand, type Command } from '@filer/program';
import {
  broadcastArguments,
  exportArguments,
  groupArguments,
  inviteArguments,
  peersArguments,
  removeArguments,
  renameArguments,
  reportArguments,
  reportsArguments,
  startArguments,
} from './arguments.ts';

/** Every command, in the order of the help. Only the one that is used is loaded. */
export const commands: readonly Command[] = [
  defineCommand({
    usage: 'start',
    describe: 'run the server in the foreground until SIGTERM',
    args: startArguments,
    examples: ['start', 'start --advertise files.example:10901'],
    outlivesOutput: true,
    load: () => import('./start.ts'),
  }),
  defineCommand({
    usage: 'invite',
    describe: 'print a link with which machines join',
    args: inviteArguments,
    examples: ['invite', 'invite --group lab --uses 20 --expires 1d', 'invite --list'],
    load: () => import('./invite.ts'),
  }),
  defineCommand({
    usage: 'status',
    describe: 'say who this server is and how it does',
    args: {},
    load: () => import('./status.ts'),
  }),
  defineCommand({
    usage: 'peers',
    describe: 'list the machines of the network',
    args: peersArguments,
    load: () => import('./peers.ts'),
  }),
  defineCommand({
    usage: 'reports',
    describe: 'list what was reported, oldest first',
    args: reportsArguments,
    examples: [
      'reports --since 1h',
      'reports --latest --group lab',
      "reports --since 2026-11-01 --title 'disk*' --csv --value free",
      'reports --watch --peer nas --json',
    ],
    load: () => import('./reports.ts'),
  }),
  defineCommand({
    usage: 'reports get <id>',
    describe: 'show one report',
    args: reportArguments,
    load: () => import('./report.ts'),
  }),
  defineCommand({
    usage: 'broadcast <text>',
    describe: 'send a text to every machine that is online',
    args: broadcastArguments,
    examples: ['broadcast "back in ten minutes"'],
    load: () => import('./broadcast.ts'),
  }),
  defineCommand({
    usage: 'remove <peer>',
    describe: 'remove a machine from the network, for good',
    args: removeArguments,
    load: () => import('./remove.ts'),
  }),
  defineCommand({
    usage: 'group add <peer> <group>',
    describe: 'put a machine into a group',
    args: groupArguments,
    load: () => import('./group-add.ts'),
  }),
  defineCommand({
    usage: 'group remove <peer> <group>',
    describe: 'take a machine out of a group',
    args: groupArguments,
    load: () => import('./group-remove.ts'),
  }),
  defineCommand({
    usage: 'rename <peer> <name>',
    describe: 'give a machine another name',
    args: renameArguments,
    load: () => import('./rename.ts'),
  }),
  defineCommand({
    usage: 'network-key export <file>',
    describe: 'copy the key of the network to a file, as a backup or to keep it elsewhere',
    args: exportArguments,
    examples: ['network-key export backup.pem', 'network-key export /media/safe/network-key.pem --remove'],
    load: () => import('./network-key-export.ts'),
  }),
];
