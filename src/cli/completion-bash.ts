import { type Completion, type CompletionModel, groupByCompletion, quote } from './completion-model.ts';

/** Without the package bash-completion, and for bash 4 and newer. */
export function renderBashCompletion(model: CompletionModel): string {
  const twoWords = model.commands.map(({ name }) => name).filter((name) => name.includes(' '));
  const values = [...groupByCompletion(model).values()].flatMap((same) => {
    const action = same[0] === undefined ? '' : actionOf(same[0].completion);
    return action === '' ? [] : [`    ${same.map(({ at }) => quote(at)).join(' | ')}) ${action} ;;`];
  });
  const words = model.commands.map(({ name, subcommands, flags }) => {
    const names = subcommands.map(({ word }) => word).join(' ');
    return `    ${quote(name)}) subcommands=${quote(names)} flags=${quote(flags.map((flag) => flag.name).join(' '))} ;;`;
  });
  return `# bash completion for spartakus. Use it with: source <(spartakus completion bash)

_spartakus_words() {
  local word
  for word in $1; do
    if [[ $word == "$cur"* ]]; then COMPREPLY+=("$prefix$word"); fi
  done
}

# A comma-separated list, without the words that it has.
_spartakus_list() {
  local chosen='' word
  if [[ $cur == *,* ]]; then chosen=\${cur%,*},; fi
  for word in $1; do
    if [[ ,$chosen != *",$word,"* && $chosen$word == "$cur"* ]]; then COMPREPLY+=("$prefix$chosen$word"); fi
  done
  compopt -o nospace 2>/dev/null
}

_spartakus_files() {
  local file
  while IFS= read -r file; do COMPREPLY+=("$prefix$file"); done < <(compgen "$1" -- "$cur")
  compopt -o filenames 2>/dev/null
}

_spartakus() {
  local cur=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} flag='' prefix='' subcommands='' flags=''
  local command=\${COMP_WORDS[1]}
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    _spartakus_words ${quote([...model.words.map(({ word }) => word), '--help', '--version'].join(' '))}
    return
  fi
  if ((COMP_CWORD > 2)); then
    case "$command \${COMP_WORDS[2]}" in
    ${twoWords.map(quote).join(' | ')}) command="$command \${COMP_WORDS[2]}" ;;
    esac
  fi
  # By default bash breaks words at "=", which is a word then.
  if [[ $cur == = ]]; then
    flag=$previous= cur=''
  elif [[ $previous == = ]]; then
    flag=\${COMP_WORDS[COMP_CWORD - 2]}=
  elif [[ $cur == --*=* ]]; then
    flag=\${cur%%=*}= prefix=\${cur%%=*}= cur=\${cur#*=}
  else
    flag=$previous
  fi
  case "$command \${flag%=}" in
${values.join('\n')}
  esac
  # A switch with a value.
  if [[ $flag == *= ]]; then return; fi
  case $command in
${words.join('\n')}
  esac
  if ((COMP_CWORD == 2)) && [[ $cur != -* ]]; then _spartakus_words "$subcommands"; fi
  if [[ $cur == -* || \${#COMPREPLY[@]} -eq 0 && $cur == '' ]]; then _spartakus_words "$flags"; fi
}

complete -F _spartakus spartakus
`;
}

function actionOf({ kind, words }: Completion): string {
  return {
    switch: '',
    nothing: 'return',
    file: '_spartakus_files -f; return',
    directory: '_spartakus_files -d; return',
    words: `_spartakus_words ${quote(words.join(' '))}; return`,
    list: `_spartakus_list ${quote(words.join(' '))}; return`,
  }[kind];
}
