import { command, group, serviceCommands, stopCommand, type Command } from '@filer/program';

/** In the groups of the help, what is used most first. All else of a command is in its module. */
export const commands: readonly Command[] = [
  ...group('Files', [
    command(
      'send <paths..>',
      'send files and folders straight to other machines',
      () => import('./files/send.ts'),
    ),
    command(
      'get <sources..> [dest]',
      "fetch files and folders from peers' shares",
      () => import('./files/get.ts'),
    ),
    command('ls <source>', "list a peer's shares, or the contents of one", () => import('./files/ls.ts')),
    command(
      'share add <folder>',
      'share a folder: other members list and fetch files',
      () => import('./files/share-add.ts'),
    ),
    command(
      'share list',
      'list the shared folders, and who may read them',
      () => import('./files/share-list.ts'),
    ),
    command('share remove <name>', 'stop sharing a folder', () => import('./files/share-remove.ts')),
    command(
      'watch add <folder>',
      'send new and changed files of a folder automatically',
      () => import('./watch/watch-add.ts'),
    ),
    command(
      'watch list',
      'list watched folders, their recipients and state',
      () => import('./watch/watch-list.ts'),
    ),
    command(
      'watch remove <which>',
      'stop watching a folder (transfers in progress continue)',
      () => import('./watch/watch-remove.ts'),
    ),
    command('inbox', 'list received files, and offers that wait', () => import('./files/inbox.ts')),
    command(
      'inbox accept [ids..]',
      'accept files that were offered (start --accept ask)',
      async () => (await import('./files/inbox-answer.ts')).accept,
    ),
    command(
      'inbox decline [ids..]',
      'decline files that were offered',
      async () => (await import('./files/inbox-answer.ts')).decline,
    ),
    command('transfers', 'show the transfers that run and wait', () => import('./files/transfers.ts')),
    command('retry <job>', 'repeat what failed of a job', () => import('./files/retry.ts')),
    command(
      'cancel <job>',
      'cancel a job that runs or waits',
      async () => (await import('./files/active-job.ts')).cancel,
    ),
    command(
      'history [job]',
      'show past jobs, their recipients and receipts',
      () => import('./files/history.ts'),
    ),
    command(
      'verify <job>',
      'check receipts, and whether recipients have the files',
      () => import('./files/verify.ts'),
    ),
  ]),
  ...group('Messages and reports', [
    command(
      'message <target> <text>',
      'send a text to a peer or a group',
      async () => (await import('./texts/message.ts')).message,
    ),
    command(
      'broadcast <text>',
      'send a text to everyone',
      async () => (await import('./texts/message.ts')).broadcast,
    ),
    command(
      'messages [ids..]',
      'list received texts; delete or keep them',
      () => import('./texts/messages.ts'),
    ),
    command('report [values..]', 'report values to the ip-server', () => import('./reports/report.ts')),
    command(
      'report schedule add <name> [-- command..]',
      'report the output of a command, files or values on a schedule',
      () => import('./reports/schedule-add.ts'),
    ),
    command(
      'report schedule list',
      'list schedules, and when each is due',
      () => import('./reports/schedule-list.ts'),
    ),
    command(
      'report schedule run <name>',
      'make the report of a schedule now',
      () => import('./reports/schedule-run.ts'),
    ),
    command(
      'report schedule remove <name>',
      'delete a schedule',
      () => import('./reports/schedule-remove.ts'),
    ),
    command(
      'report spool',
      'list reports that wait, and refused ones',
      () => import('./reports/report-spool.ts'),
    ),
    command(
      'report spool retry [numbers..]',
      'send refused reports again',
      async () => (await import('./reports/refused-reports.ts')).retry,
    ),
    command(
      'report spool drop [numbers..]',
      'delete refused reports',
      async () => (await import('./reports/refused-reports.ts')).drop,
    ),
  ]),
  ...group('This machine', [
    command(
      'join [link]',
      'join a network with a link from `ip-server invite`',
      () => import('./network/join.ts'),
    ),
    command('open', 'open the page of this machine in a browser', () => import('./network/open.ts')),
    command(
      'start',
      'run the daemon here: it receives files and messages',
      () => import('./network/start.ts'),
    ),
    stopCommand,
    ...serviceCommands({
      requireReady: async (context) => {
        using member = await (await import('./home-member.ts')).openMember(context);
        member.requireStaying();
      },
      next: 'Next:  filer-client overview   and:  filer-client send FILE NAME:',
    }),
    command(
      'overview',
      'show this machine, who is there and what runs',
      () => import('./network/overview.ts'),
    ),
    command(
      'status',
      'show the identity and connections of this machine',
      () => import('./network/status.ts'),
    ),
    command(
      'doctor [peer]',
      'find problems of this machine, and what to do',
      () => import('./network/doctor.ts'),
    ),
    command(
      'peers',
      'list the machines of the network, and who is online',
      () => import('./network/peers.ts'),
    ),
    command('shell', 'open a shell that also shows what arrives', () => import('./shell/shell.ts')),
  ]),
  command(
    'pause <job>',
    'stop a job for now; `resume <job>` continues it',
    async () => (await import('./files/active-job.ts')).pause,
  ),
  command(
    'resume <job>',
    'continue a paused job in the background',
    async () => (await import('./files/active-job.ts')).resume,
  ),
  command(
    'release <job>',
    'put what was sent with --stage in place, all at once',
    async () => (await import('./files/release.ts')).release,
  ),
  command(
    'rollback <job>',
    'restore what a release replaced',
    async () => (await import('./files/release.ts')).rollback,
  ),
  command(
    'trust <name>',
    'accept that a name belongs to another identity now',
    () => import('./network/trust.ts'),
  ),
  command(
    'server <address>',
    'set the new address of an ip-server that has moved',
    () => import('./network/server.ts'),
  ),
  command('leave', 'end the membership of this machine', () => import('./network/leave.ts')),
];
