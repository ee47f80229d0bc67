import { firstWordsOf, formOf, GLOBAL_FLAGS, type OpenCommand, type ProgramName } from '@filer/program';
import { PROGRAMS } from '../cli-docs.ts';
import { escaped, roffOf } from './roff.ts';

/*
 * The manual: a page for each program, and one for the commands that begin with the same word, `filer-client-share(1)`. What
 * they say comes from docs/cli/, where commands, examples and flags are written from their declarations.
 */

interface About {
  readonly summary: string;
  /** Other names of the program. */
  readonly aliases: readonly string[];
}

const ABOUT: Readonly<Record<ProgramName, About>> = {
  'filer-client': { summary: 'a machine of a filer network', aliases: ['filer'] },
  'ip-server': { summary: 'the server of a filer network', aliases: [] },
};

/** What stands in `docs/cli/`. */
export interface Documents {
  /** All pages in one. */
  readonly pages: string;
  readonly version: string;
  /** `2026-08-01` */
  readonly date: string;
}

/** @returns the pages by their file names, such as `filer-client-send.1` */
export function manualPages(documents: Documents): Map<string, string> {
  const sections = sectionsOf(documents.pages);
  const pages = new Map<string, string>();
  const add = (name: string, lines: readonly string[]): void => {
    const title = `.TH ${escaped(name.toUpperCase())} 1 ${documents.date} "filer ${documents.version}" "filer"`;
    pages.set(`${name}.1`, `${[title, ...lines].join('\n')}\n`);
  };
  for (const program of Object.keys(ABOUT).filter((name): name is ProgramName => name in ABOUT)) {
    const { aliases } = ABOUT[program];
    for (const name of [program, ...aliases]) add(name, overview(name, program, sections));
    for (const first of firstWordsOf(PROGRAMS[program]))
      add(`${program}-${first}`, commandPage(program, first, sections));
  }
  return pages;
}

/** The text below each heading, by the heading without its backticks. */
function sectionsOf(pages: string): Map<string, string> {
  const parts = pages.split(/^#{1,2} /m).slice(1);
  return new Map(
    parts.map((part) => {
      const end = part.indexOf('\n');
      return [part.slice(0, end).replaceAll('`', ''), part.slice(end + 1)];
    }),
  );
}

function overview(name: string, program: ProgramName, sections: ReadonlyMap<string, string>): string[] {
  const { summary } = ABOUT[program];
  const groups = Map.groupBy(PROGRAMS[program], ({ group = 'Other commands' }) => group);
  const section = (title: string): string[] => roffOf(sections.get(title) ?? missing(title));
  return [
    ...head(name, summary),
    `\\fB${escaped(name)}\\fR \\fIcommand\\fR [\\fIarguments\\fR] [\\fIflags\\fR]`,
    '.SH DESCRIPTION',
    'Each command has a page of its own, such as',
    `.BR ${escaped(`${program}-${firstWordsOf(PROGRAMS[program])[0]}`)} (1).`,
    `\\fB${escaped(name)} help\\fR \\fIcommand\\fR shows a shorter text.`,
    '.SH COMMANDS',
    ...[...groups].flatMap(([title, commands]) => [
      `.SS ${escaped(title)}`,
      ...commands.flatMap(({ usage, describe }) => ['.TP', `\\fB${escaped(usage)}\\fR`, escaped(describe)]),
    ]),
    '.SH RULES',
    ...section('Rules for both'),
    '.SH PROGRESS',
    ...section('Progress'),
    '.SH ERRORS',
    ...section('Errors'),
    '.SH EXIT STATUS',
    ...section('Exit codes'),
    '.SH SEE ALSO',
    ...seeAlso(Object.keys(PROGRAMS).filter((other) => other !== name)),
  ];
}

function commandPage(program: ProgramName, first: string, sections: ReadonlyMap<string, string>): string[] {
  const commands = PROGRAMS[program].filter((command) => firstWordsOf([command])[0] === first);
  const own = commands.find(({ usage }) => !usage.includes(' ') || /^\S+ [<[]/.test(usage)) ?? commands[0];
  const synopses = commands.map(
    (command) => `\\fB${escaped(program)}\\fR ${escaped(formOf(command).synopsis)}`,
  );
  const textOf = ({ usage }: OpenCommand): string[] =>
    roffOf(sections.get(`${program} ${usage}`) ?? missing(`${program} ${usage}`));
  const flags = Object.entries(GLOBAL_FLAGS).map(
    ([name, { alias }]) => `${alias === undefined ? '' : `-${alias}, `}--${name}`,
  );
  return [
    ...head(`${program}-${first}`, own?.describe ?? ''),
    ...synopses.flatMap((line, index) => (index === 0 ? [line] : ['.br', line])),
    ...commands.flatMap((command) => [
      commands.length === 1 ? '.SH DESCRIPTION' : `.SH ${escaped(`${program} ${command.usage}`)}`,
      ...textOf(command),
    ]),
    '.SH FLAGS OF EVERY COMMAND',
    `${escaped(flags.join('; '))}. See`,
    `.BR ${escaped(program)} (1).`,
    '.SH SEE ALSO',
    ...seeAlso([program]),
  ];
}

function head(name: string, summary: string): string[] {
  return ['.SH NAME', `${escaped(name)} \\- ${escaped(summary)}`, '.SH SYNOPSIS'];
}

function seeAlso(names: readonly string[]): string[] {
  return names.map((name, index) => `.BR ${escaped(name)} (1)${index === names.length - 1 ? '' : ','}`);
}

function missing(title: string): never {
  throw new Error(`docs/cli has no section "${title}"`);
}
