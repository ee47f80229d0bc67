import type { Shell } from './shells.ts';

/** What a shell sources to complete the command lines of a program. */
export function scriptFor(shell: Shell, program: string): string {
  const name = `_${program.replaceAll('-', '_')}`;
  return SCRIPTS[shell].trimStart().replaceAll('PROGRAM', program).replaceAll('NAME', name);
}

const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: String.raw`
# completion of PROGRAM for bash
NAME() {
  local each
  local -a answer
  COMPREPLY=()
  mapfile -t answer < <(PROGRAM --complete bash "${'$'}{COMP_LINE:0:COMP_POINT}" "$COMP_WORDBREAKS" 2>/dev/null)
  COMPREPLY=("${'$'}{answer[@]:1}")
  if [ "${'$'}{#COMPREPLY[@]}" -gt 0 ]; then
    compopt -o nospace -o nosort
    [ "${'$'}{answer[0]-}" = file ] || return 0
    while IFS= read -r each; do
      if [ -d "$each" ]; then COMPREPLY+=("$(printf %q "$each")/"); else COMPREPLY+=("$(printf %q "$each") "); fi
    done < <(compgen -f -- "${'$'}{COMP_WORDS[COMP_CWORD]}")
  elif [ "${'$'}{answer[0]-}" = file ]; then
    compopt -o default
  elif [ "${'$'}{answer[0]-}" = folder ]; then
    compopt -o dirnames
  fi
}
complete -F NAME PROGRAM`,
  zsh: String.raw`
#compdef PROGRAM
# completion of PROGRAM for zsh
NAME() {
  local each word about
  local -a answer open closed shownopen shownclosed
  answer=("${'$'}{(@f)$(PROGRAM --complete zsh "${'$'}{(j: :)words[1,CURRENT-1]} ${'$'}{QIPREFIX}${'$'}{PREFIX}" 2>/dev/null)}")
  for each in "${'$'}{(@)answer[2,-1]}"; do
    [[ -n $each ]] || continue
    word="${'$'}{${'$'}{each%%$'\t'*}#?}" about="${'$'}{each#*$'\t'}"
    [[ -z $about ]] || about="$word  -- $about"
    if [[ $each == +* ]]; then open+=("$word") shownopen+=("${'$'}{about:-$word}"); else closed+=("$word") shownclosed+=("${'$'}{about:-$word}"); fi
  done
  [[ ${'$'}{#closed} -eq 0 ]] || compadd -V PROGRAM -l -d shownclosed -a closed
  [[ ${'$'}{#open} -eq 0 ]] || compadd -V PROGRAM -l -S '' -d shownopen -a open
  case $answer[1] in
    file) _files ;;
    folder) _files -/ ;;
  esac
}
if [[ $funcstack[1] == _PROGRAM ]]; then
  NAME "$@"
else
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i; }
  compdef NAME PROGRAM
fi`,
  fish: String.raw`
# completion of PROGRAM for fish
function _NAME
    set -l answer (PROGRAM --complete fish (commandline -cp | string collect) 2>/dev/null)
    for each in $answer[2..]
        echo $each
    end
    switch "$answer[1]"
        case file
            __fish_complete_path (commandline -ct)
        case folder
            __fish_complete_directories (commandline -ct)
    end
end
complete -c PROGRAM -f -k -a '(_NAME)'`,
};
