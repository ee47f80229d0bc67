import { command, group, serviceCommands, stopCommand, type Command } from '@filer/program';

/** In the groups of the help, what is used most first. All else of a command is in its module. */
export const commands: readonly Command[] = [
  ...group('Server', [
    command('start', 'run the server in the foreground until SIGTERM', () => import('./start.ts')),
    stopCommand,
    command('status', 'show server identity and health', () => import('./status.ts')),
    command('doctor', 'find problems of this server, and what to do', () => import('./doctor.ts')),
    ...serviceCommands({
      next: 'Next:  ip-server invite   and, as a backup of a new network:  ip-server network-key export FILE',
    }),
  ]),
  ...group('Several servers', [
    command('servers', 'list the servers of the network', () => import('./servers/servers.ts')),
    command(
      'servers add <id>',
      'let machines trust a server that was started on the same database',
      async () => (await import('./servers/listing.ts')).serversAdd,
    ),
    command(
      'servers remove <id>',
      'withdraw the trust of machines in a server',
      async () => (await import('./servers/listing.ts')).serversRemove,
    ),
  ]),
  ...group('Dashboard', [
    command('dashboard', 'print a link to the dashboard', () => import('./dashboard/dashboard.ts')),
    command('audit', 'list who changed what', () => import('./dashboard/audit.ts')),
  ]),
  ...group('Machines', [
    command('peers', 'list the machines, and the state of their reports', () => import('./members/peers.ts')),
    command('invite', 'print an invite link that admits machines', () => import('./members/invite.ts')),
    command(
      'group add <peer> <group>',
      'add a machine to a group',
      async () => (await import('./members/amending.ts')).groupAdd,
    ),
    command(
      'group remove <peer> <group>',
      'remove a machine from a group',
      async () => (await import('./members/amending.ts')).groupRemove,
    ),
    command(
      'rename <peer> <name>',
      'rename a machine',
      async () => (await import('./members/amending.ts')).rename,
    ),
    command(
      'remove <peer>',
      'remove a machine from the network permanently',
      () => import('./members/remove.ts'),
    ),
    command(
      'broadcast <text>',
      'send a text to every machine that is online',
      () => import('./members/broadcast.ts'),
    ),
  ]),
  ...group('Reports', [
    command('reports', 'list reports, oldest first', () => import('./reports/reports.ts')),
    command('reports get <id>', 'show one report', () => import('./reports/report.ts')),
    command('alarms', 'list alarms and their delivery status', () => import('./reports/alarms.ts')),
    command(
      'alarms test',
      'send a marked test alarm, and show whether it arrives',
      () => import('./reports/alarm-test.ts'),
    ),
  ]),
  ...group('Collected files', [
    command(
      'collect',
      'list collects, and the results of their last runs',
      () => import('./collect/collects.ts'),
    ),
    command('collect list', 'list collects (the same as `collect`)', async () => ({
      ...(await import('./collect/collects.ts')),
      examples: ['collect list'],
    })),
    command(
      'collect add <name>',
      'collect files from machines, on a schedule',
      () => import('./collect/collect-add.ts'),
    ),
    command(
      'collect show <name>',
      'show which machines have delivered in a run',
      () => import('./collect/collect-show.ts'),
    ),
    command('collect run <name>', 'start a run now, and follow it', () => import('./collect/collect-run.ts')),
    command(
      'collect remove <name>',
      'delete a collect (collected files are kept)',
      () => import('./collect/collect-remove.ts'),
    ),
  ]),
  command('store copy', 'move what is stored to or from PostgreSQL', () => import('./store/store-copy.ts')),
  command(
    'network-key export <file>',
    'copy the network key to a file',
    () => import('./members/network-key-export.ts'),
  ),
];
