import { FilerError, MAX_SCHEDULES, messageOf } from '@filer/protocol';
import { parse, stringify, TomlError } from 'smol-toml';
import { parseSchedule, type Schedule, type ScheduleFields } from './schedule.ts';

/*
 * What stands in `schedules.toml`:
 *
 *   # anything
 *   [[schedule]]
 *   name = "disk"
 *   every = "10m"
 *   command = ["df", "-h"]
 *
 * People and configuration management write it, too: their comments stay, and one broken schedule leaves the others whole.
 */

/** What is wrong in the file, in one sentence. */
export interface Mistake {
  /** The schedule that it is about, where that can be said. */
  readonly name: string | undefined;
  readonly message: string;
}

export interface ParsedSchedules {
  readonly schedules: readonly Schedule[];
  readonly mistakes: readonly Mistake[];
}

const HEAD = /^[ \t]*\[\[[ \t]*schedule[ \t]*\]\]/;

const INTRODUCTION = `# What this machine reports by itself: \`filer-client report schedule add\` and \`remove\` write here, and so may you.
# A running daemon notices within some seconds; docs/operations/schedules.md has all keys.
`;

/**
 * @param file its name, for the sentences
 */
export function parseSchedules(text: string, file: string): ParsedSchedules {
  const mistakes: Mistake[] = [];
  const schedules = new Map<string, Schedule>();
  const entries = readEntries(text, file, mistakes);
  for (const entry of entries) {
    const name = nameOf(entry);
    const of =
      name === undefined ? `schedule ${entries.indexOf(entry) + 1}` : `schedule ${JSON.stringify(name)}`;
    try {
      const schedule = parseSchedule(entry);
      if (schedules.has(schedule.name))
        mistakes.push({
          name,
          message: `${file}, ${of}: there is one of that name above: rename or remove it`,
        });
      else if (schedules.size >= MAX_SCHEDULES)
        mistakes.push({
          name,
          message: `${file}, ${of}: there are ${MAX_SCHEDULES} already, which is the limit`,
        });
      else schedules.set(schedule.name, schedule);
    } catch (error) {
      if (!(error instanceof FilerError)) throw error;
      mistakes.push({ name, message: `${file}, ${of}: ${error.message}` });
    }
  }
  return { schedules: [...schedules.values()], mistakes };
}

/** The text with one more schedule at its end. */
export function withSchedule(text: string, fields: ScheduleFields): string {
  const before = text === '' ? INTRODUCTION : text.endsWith('\n') ? text : `${text}\n`;
  return `${before}\n${stringify({ schedule: [fields] }).trimEnd()}\n`;
}

/**
 * The text without a schedule: the lines from its `[[schedule]]` up to the next one.
 *
 * @returns undefined when it cannot be cut out without a change to another one
 */
export function withoutSchedule(text: string, name: string): string | undefined {
  const blocks = blocksOf(text);
  const others = blocks.filter((block) => entriesOf(block.text).every((entry) => nameOf(entry) !== name));
  const left = others.map((block) => block.text).join('');
  const before = parseSchedules(text, '').schedules.filter((each) => each.name !== name);
  const after = parseSchedules(left, '');
  const isSame = JSON.stringify(after.schedules) === JSON.stringify(before);
  return isSame && others.length < blocks.length ? left : undefined;
}

/** Every table under `schedule`; what is no TOML in one of them leaves the others. */
function readEntries(text: string, file: string, mistakes: Mistake[]): unknown[] {
  try {
    return tablesOf(parse(text), file, mistakes);
  } catch {
    return blocksOf(text).flatMap(({ text: block, line }) => {
      try {
        return tablesOf(parse(block), file, mistakes);
      } catch (error) {
        const at = error instanceof TomlError ? line + error.line : line + 1;
        const [what = ''] = messageOf(error).split('\n');
        mistakes.push({ name: guessName(block), message: `${file}, line ${at} is not TOML: ${what}` });
        return [];
      }
    });
  }
}

function tablesOf(document: Record<string, unknown>, file: string, mistakes: Mistake[]): unknown[] {
  const { schedule = [], ...rest } = document;
  for (const key of Object.keys(rest)) {
    mistakes.push({
      name: undefined,
      message: `${file} has ${JSON.stringify(key)} outside of a schedule: each one begins with [[schedule]]`,
    });
  }
  if (Array.isArray(schedule)) return schedule;
  mistakes.push({ name: undefined, message: `${file}: write [[schedule]], with two brackets on each side` });
  return [];
}

interface Block {
  readonly text: string;
  /** How many lines stand above it. */
  readonly line: number;
}

/** The text cut before each `[[schedule]]`; comments right above one belong to it. */
function blocksOf(text: string): Block[] {
  const lines = text.split(/(?<=\n)/);
  const starts = lines.flatMap((line, index) => (HEAD.test(line) ? [startOf(lines, index)] : []));
  const cuts = [...new Set([0, ...starts])];
  return cuts.map((from, index) => ({ text: lines.slice(from, cuts[index + 1]).join(''), line: from }));
}

function startOf(lines: readonly string[], head: number): number {
  let start = head;
  while (start > 0 && lines[start - 1]?.startsWith('#') === true) start--;
  return start;
}

function entriesOf(block: string): unknown[] {
  try {
    return tablesOf(parse(block), '', []);
  } catch {
    return [{ name: guessName(block) }];
  }
}

function nameOf(entry: unknown): string | undefined {
  if (typeof entry !== 'object' || entry === null || !('name' in entry)) return undefined;
  return typeof entry.name === 'string' ? entry.name : undefined;
}

function guessName(block: string): string | undefined {
  return /^[ \t]*name[ \t]*=[ \t]*["']([^"']*)["']/m.exec(block)?.[1];
}
