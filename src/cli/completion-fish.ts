import type { CompletedWord, Completion, CompletionModel } from './completion-model.ts';

export function renderFishCompletion(model: CompletionModel): string {
  const twoWords = model.commands.map(({ name }) => name).filter((name) => name.includes(' '));
  const complete = (condition: string, rest: string): string => `complete -c spartakus -n ${quote(condition)} ${rest}`;
  const wordsOf = (condition: string, words: readonly CompletedWord[]): string[] =>
    words.map(({ word, summary }) => complete(condition, `-a ${quote(word)} -d ${quote(summary)}`));
  const lines = model.commands.flatMap(({ name, subcommands, flags }) => [
    ...wordsOf(`__spartakus_is_last ${quote(name)}`, subcommands),
    ...flags.map((flag) =>
      complete(
        `__spartakus_is ${quote(name)}`,
        `-l ${flag.name.slice(2)}${actionOf(flag.completion)} -d ${quote(flag.summary)}`,
      ),
    ),
  ]);
  return `# fish completion for spartakus. Use it with: spartakus completion fish | source

# Whether the words before the cursor are those of a command, and perhaps flags; '' without any word.
function __spartakus_is
    set -l words (commandline -opc)
    set -e words[1]
    set -l command "$words[1..2]"
    contains -- $command ${twoWords.map(quote).join(' ')}
    or set command "$words[1]"
    test "$command" = "$argv[1]"
end

# Whether the last word before the cursor is this one, which is the first of the command.
function __spartakus_is_last
    set -l words (commandline -opc)
    test (count $words) -eq 2 -a "$words[2]" = "$argv[1]"
end

# A comma-separated list, without the words that it has.
function __spartakus_list
    set -l token (commandline -ct | string replace -r '^--[^=]*=' '')
    set -l chosen (string match -r '^.*,' -- $token)
    for word in $argv
        contains -- $word (string split , -- "$chosen"); or echo "$chosen$word"
    end
end

complete -c spartakus -f
${[...wordsOf("__spartakus_is ''", model.words), ...['help', 'version'].map((flag) => complete("__spartakus_is ''", `-l ${flag}`)), ...lines].join('\n')}
`;
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", String.raw`\'`)}'`;
}

/** -x: a value, and no files; -r -F: a value, with files. */
function actionOf({ kind, words }: Completion): string {
  return {
    switch: '',
    nothing: ' -x',
    file: ' -r -F',
    directory: " -x -a '(__fish_complete_directories)'",
    words: ` -x -a ${quote(words.join(' '))}`,
    list: ` -x -a ${quote(`(__spartakus_list ${words.join(' ')})`)}`,
  }[kind];
}
