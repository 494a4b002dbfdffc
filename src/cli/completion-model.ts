import { COMMAND_LIST, listSubcommands } from './command-list.ts';
import type { Command } from './command.ts';
import { type Flag, listFlags } from './flags.ts';

/** What a shell completes as the value of a flag: nothing where it is secret or free text. A switch has no value. */
export interface Completion {
  readonly kind: 'switch' | 'nothing' | 'file' | 'directory' | 'words' | 'list';
  /** Of the last two kinds. */
  readonly words: readonly string[];
}

export interface CompletedFlag {
  /** With dashes, such as "--port". */
  readonly name: string;
  readonly placeholder: string;
  /** The first sentence of the help. */
  readonly summary: string;
  readonly completion: Completion;
}

export interface CompletedWord {
  readonly word: string;
  readonly summary: string;
}

export interface CompletedCommand {
  /** Such as "volunteer explain"; also a group without a command of its own, such as "agent". */
  readonly name: string;
  readonly subcommands: readonly CompletedWord[];
  readonly flags: readonly CompletedFlag[];
}

export interface CompletionModel {
  /** The first words of commands. */
  readonly words: readonly CompletedWord[];
  readonly commands: readonly CompletedCommand[];
}

export function createCompletionModel(commands: readonly Command[]): CompletionModel {
  const firstWords = [...new Set(COMMAND_LIST.map(({ name }) => name.split(' ', 1)[0] ?? ''))];
  const subcommandsOf = (name: string): readonly CompletedWord[] =>
    listSubcommands(name).map((each) => ({ word: each.name.slice(name.length + 1), summary: each.summary }));
  const words = firstWords.map((word) => {
    const own = COMMAND_LIST.find(({ name }) => name === word);
    const summary =
      own?.summary ??
      `Commands: ${subcommandsOf(word)
        .map((each) => each.word)
        .join(', ')}`;
    return { word, summary };
  });
  const groups = firstWords.filter((word) => !commands.some(({ name }) => name === word));
  return {
    words,
    commands: [
      ...groups.map((name) => ({ name, subcommands: subcommandsOf(name), flags: [] })),
      ...commands.map(({ name, flags }) => ({
        name,
        subcommands: subcommandsOf(name),
        // The verbosity of version 1 is for old manifests.
        flags: listFlags(flags)
          .filter((flag) => flag.name.length > 1)
          .map(describeFlag),
      })),
    ],
  };
}

/** The names of the commands whose flag has this completion, such as "volunteer --node-id". */
export function groupByCompletion(model: CompletionModel) {
  const values = model.commands.flatMap(({ name, flags }) =>
    flags.map((flag) => ({ at: `${name} ${flag.name}`, completion: flag.completion })),
  );
  return Map.groupBy(values, ({ completion }) => JSON.stringify(completion));
}

/** Quotes a text for bash and zsh. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function describeFlag(flag: Flag<unknown>): CompletedFlag {
  const { name, placeholder = '', help } = flag;
  const summary = /^.*?[.:;](?= |$)/.exec(help)?.[0].slice(0, -1) ?? help;
  return { name: `--${name}`, placeholder, summary, completion: completionOf(flag) };
}

function completionOf({ placeholder, completes }: Flag<unknown>): Completion {
  if (placeholder === undefined) return { kind: 'switch', words: [] };
  if (typeof completes === 'object') return { kind: 'list', words: completes.list };
  if (completes !== undefined) return { kind: completes, words: [] };
  return placeholder.includes('|') ? { kind: 'words', words: placeholder.split('|') } : { kind: 'nothing', words: [] };
}
