import {
  type CompletedCommand,
  type CompletedWord,
  type Completion,
  type CompletionModel,
  quote,
} from './completion-model.ts';

/** For `source`, and as the file _spartakus in a directory of $fpath. */
export function renderZshCompletion(model: CompletionModel): string {
  const twoWords = model.commands.map(({ name }) => name).filter((name) => name.includes(' '));
  const groups = model.commands.filter(({ subcommands }) => subcommands.length > 0);
  return `#compdef spartakus
# zsh completion for spartakus. Use it with: source <(spartakus completion zsh)

_spartakus() {
  local command=$words[2]
  local -a names
  if (( CURRENT == 2 )); then
    names=(${describe(model.words)})
    _describe -t commands command names
    _arguments '--help[Print the commands]' '--version[Print the version]'
    return
  fi
  if (( CURRENT > 3 )); then
    case "$words[2] $words[3]" in
      (${twoWords.map((name) => quote(name)).join('|')})
        command="$words[2] $words[3]"
        shift words
        (( CURRENT -= 1 ))
        ;;
    esac
  elif [[ $PREFIX != -* ]]; then
    case $command in
${groups.map(({ name, subcommands }) => `      (${quote(name)}) names=(${describe(subcommands)}) ;;`).join('\n')}
    esac
    (( $#names )) && _describe -t commands command names
  fi
  shift words
  (( CURRENT -= 1 ))
  case $command in
${model.commands
  .filter(({ flags }) => flags.length > 0)
  .map(renderCommand)
  .join('\n')}
  esac
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _spartakus "$@"
else
  compdef _spartakus spartakus
fi
`;
}

function renderCommand({ name, flags }: CompletedCommand): string {
  const specs = flags.map(({ name: flag, placeholder, summary, completion }) => {
    const help = summary.replaceAll(/[[\]\\:]/g, String.raw`\$&`);
    if (completion.kind === 'switch') return quote(`${flag}[${help}]`);
    return quote(
      `${flag}=[${help}]:${placeholder.replaceAll(':', String.raw`\:`)}:${actionOf(completion, placeholder)}`,
    );
  });
  return `    (${quote(name)})\n      _arguments ${specs.join(' \\\n        ')}\n      ;;`;
}

function describe(words: readonly CompletedWord[]): string {
  return words.map(({ word, summary }) => quote(`${word}:${summary.replaceAll(':', String.raw`\:`)}`)).join(' ');
}

function actionOf({ kind, words }: Completion, placeholder: string): string {
  return {
    switch: ' ',
    nothing: ' ',
    file: '_files',
    directory: '_files -/',
    words: `(${words.join(' ')})`,
    list: `_values -s , ${placeholder} ${words.join(' ')}`,
  }[kind];
}
