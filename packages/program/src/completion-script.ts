import type { Context } from './command.ts';

/** What the shell's completion puts before the words typed so far. */
export const COMPLETE_TOKEN = '--complete-words';

/** One script for bash and, through its bash emulation, zsh; where nothing is known, file names are offered. */
export async function run(_args: unknown, { calledAs: program, output }: Context): Promise<void> {
  const name = `_${program.replaceAll('-', '_')}`;
  const script = [
    `# completion of ${program}`,
    'if [ -n "$ZSH_VERSION" ]; then autoload -U +X bashcompinit && bashcompinit; fi',
    `${name}() {`,
    `  local IFS=$'\\n'`,
    `  COMPREPLY=($(${program} ${COMPLETE_TOKEN} "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))`,
    '}',
    `complete -o default -F ${name} ${program}`,
  ].join('\n');
  output.line(script);
  output.json({ shell: 'bash', script });
}
