import { FilerError } from '@filer/protocol';

/** What begins the name of every file that the engine makes for itself inside an inbox. */
export const PART_PREFIX = '.filer-part-';

/** What begins the names of those that outlast a cut. */
export const KEPT_PREFIX = `${PART_PREFIX}kept-`;

/** What begins the names of links on their way, and of what gives way to something else, folders too. */
export const ASIDE_PREFIX = `${PART_PREFIX}aside-`;

/**
 * What begins the name of a folder that a staged job fills, and of what is in it beside that. A user sees it only when he looks
 * for hidden names; no sender may name it.
 */
export const STAGE_PREFIX = `${PART_PREFIX}stage.`;

export function isStageName(name: string): boolean {
  return name.startsWith(STAGE_PREFIX);
}

/**
 * Each name of the engine ends in a digest or a random number, and some in a counter after that: `notes` after the prefix
 * is a name that a user chose.
 */
const PART_NAME = /^\.filer-part-[a-z0-9-]*[0-9a-f]{16}(?:-[0-9a-f]+)?$/;

/** Whether the engine made a file of this name. Any other file is the user's, whatever its name begins with. */
export function isPartName(name: string): boolean {
  return PART_NAME.test(name);
}

/** NAME_MAX of every file system in common use; in bytes of UTF-8, the strictest way to count. */
export const MAX_COMPONENT_BYTES = 255;
/** Well below PATH_MAX, to which the inbox's own path adds. */
const MAX_PATH_BYTES = 3_072;
const MAX_DEPTH = 256;

// Windows: characters that no name may hold, and device names with whatever extension.
const WINDOWS_CHARACTERS = /[\u0000-\u001f<>:"|?*\\]/;
const WINDOWS_DEVICE = /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?: *\..*)?$/i;

/**
 * Whether a path that the receiver names leads to a place inside its inbox. How long it may be is the receiver's affair:
 * its own folders are in front of the path that was sent.
 */
export function isInsideInbox(path: string): boolean {
  return path.split('/').every((component) => component !== '' && component !== '.' && component !== '..');
}

/**
 * The name of something that was not taken, for people and programs: one that leads out of an inbox is written as one
 * component, which leads nowhere.
 */
export function shownName(name: string): string {
  if (isInsideInbox(name) && !name.includes('\0')) return name;
  return `%${encodeURIComponent(name.slice(0, MAX_SHOWN_CHARS).toWellFormed())}`;
}

const MAX_SHOWN_CHARS = 200;

/**
 * Takes the path that another machine gave a file apart, if it may be used below an inbox as it is. Nothing is
 * repaired: a path is taken letter by letter or refused (design, section 7).
 *
 * @param platform the receiving system, which judges what only some systems forbid
 * @returns its components, at least one
 * @throws FilerError `name-refused`
 */
export function parseSafePath(path: string, platform: NodeJS.Platform = process.platform): string[] {
  const refuse = (why: string): never => {
    throw new FilerError('name-refused', `the name ${quoted(path)} is refused: it ${why}`);
  };
  if (path === '') refuse('is empty');
  if (!path.isWellFormed()) refuse('is ill-formed Unicode');
  if (path.includes('\0')) refuse('holds a NUL character');
  if (path.startsWith('/')) refuse('is absolute');
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) refuse(`is longer than ${MAX_PATH_BYTES} bytes`);
  const components = path.split('/');
  if (components.length > MAX_DEPTH) refuse(`is more than ${MAX_DEPTH} folders deep`);
  for (const component of components) {
    if (component === '') refuse('has an empty component');
    if (component === '.' || component === '..') refuse(`has the component ${component}`);
    if (Buffer.byteLength(component) > MAX_COMPONENT_BYTES) {
      refuse(`has a component longer than ${MAX_COMPONENT_BYTES} bytes`);
    }
    // In lower case, since a file system may not tell the two apart.
    if (component.toLowerCase().startsWith(PART_PREFIX))
      refuse(`begins with ${PART_PREFIX}, which is kept for parts`);
    if (platform === 'win32') refuseOnWindows(component, refuse);
  }
  return components;
}

function refuseOnWindows(component: string, refuse: (why: string) => never): void {
  if (WINDOWS_CHARACTERS.test(component)) refuse('holds a character that Windows forbids');
  if (/[. ]$/.test(component)) refuse('ends in a dot or a space, which Windows drops');
  if (WINDOWS_DEVICE.test(component)) refuse('is the name of a Windows device');
}

/** For a message: short, and well-formed so that it can travel. */
function quoted(path: string): string {
  const shown = path.length > 200 ? `${path.slice(0, 200)}…` : path;
  return JSON.stringify(shown.toWellFormed());
}
