import type { Readable } from 'node:stream';
import { messageOf, SpartakusError } from '../runtime/errors.ts';
import type { Logger } from '../runtime/logger.ts';
import { wrap } from '../runtime/wrap.ts';
import { type CommandName, listSubcommands } from './command-list.ts';
import { describeUnknownVariables, dropServiceVariables } from './environment.ts';
import { type Flags, type FlagValues, group, listFlags, parseFlags, type PartialValues, variablesOf } from './flags.ts';
import { describeCommands, describeFlags, type Format, formatFor, type Output } from './help.ts';
import { createLogger } from './logger.ts';
import { parseCount, SWITCH } from './values.ts';

/** Standard input; `isTTY` is set on a terminal. */
export type Input = Readable & { readonly isTTY?: boolean };

/** The process of a command. */
export interface Io {
  readonly env: NodeJS.ProcessEnv;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Opens standard input, for questions. */
  readonly openInput?: (() => Input) | undefined;
  /** Aborted when the process is asked to stop. */
  readonly stop: AbortSignal;
  /** Loads all commands, for a description of the program. */
  readonly loadCommands?: () => Promise<readonly Command[]>;
  /** Lets the process end although an operation on files does not. */
  readonly abandon?: () => void;
}

export interface Command {
  readonly name: CommandName;
  readonly description: string;
  readonly flags: Flags;
  /** Such as `CLUSTER_ID...`, for a command that takes operands. */
  readonly operands?: string | undefined;
  /** Resolves with the exit code: 0 success, 1 failure, 2 usage error. */
  readonly run: (argv: readonly string[], io: Io) => Promise<number>;
}

interface CommandSpec<F extends Flags> {
  readonly name: CommandName;
  readonly description: string;
  readonly flags: F;
  /** As in Command; without it, operands are usage errors. */
  readonly operands?: string;
  /** The forms of --database for --print-databases; a command without them has no such flag. */
  readonly databases?: readonly { readonly example: string; readonly description: string }[];
  /** Checks combinations of flags and the files that they name. Resolves with the errors. Called even if single flags are invalid. */
  readonly validate?: (
    values: PartialValues<F>,
    env: NodeJS.ProcessEnv,
    operands: readonly string[],
  ) => readonly string[] | Promise<readonly string[]>;
  readonly run: (values: FlagValues<F> & { readonly verbose: boolean }, options: RunOptions) => Promise<number>;
}

export interface RunOptions extends Io {
  readonly operands: readonly string[];
  readonly logger: Logger;
}

const VERBOSE_FLAG = {
  name: 'verbose',
  short: 'v',
  ...SWITCH,
  help: 'Log at debug level. Only then do logs include client addresses and cluster IDs.',
};
/** "Debug level verbosity", by the conventions of Kubernetes: community/contributors/devel/sig-instrumentation/logging.md. */
const DEBUG_VERBOSITY = 4;
const VERBOSITY_FLAG = {
  name: 'v',
  placeholder: 'LEVEL',
  variables: [],
  help: `The verbosity of glog, for manifests of version 1: ${DEBUG_VERBOSITY} or more is --verbose, and less has no effect.`,
  parse: (text: string) => parseCount(text),
};
const DATABASES_FLAG = {
  name: 'print-databases',
  variables: [],
  ...SWITCH,
  help: 'Print the forms of --database with examples, and exit.',
};
const HELP_FLAG = { name: 'help', short: 'h', variables: [], ...SWITCH, help: 'Print this help, and exit.' };

export const EXIT_USAGE = 2;

/** A command that parses its flags and environment, and handles usage errors and --help. */
export function createCommand<F extends Flags>(spec: CommandSpec<F>): Command {
  const { name, description, operands: operandsSyntax, databases, validate } = spec;
  const general = group('General', {
    verbose: VERBOSE_FLAG,
    verbosity: VERBOSITY_FLAG,
    ...(databases === undefined ? {} : { printDatabases: DATABASES_FLAG }),
    help: HELP_FLAG,
  });
  const flags = { ...spec.flags, ...general };
  return {
    name,
    description,
    flags,
    operands: operandsSyntax,
    async run(argv, io) {
      if (argv.includes('--help') || argv.includes('-h')) {
        io.stdout.write(
          describeCommand({ name, description, flags, operands: operandsSyntax }, formatFor(io.stdout, io.env)),
        );
        return 0;
      }
      if (databases !== undefined && argv.includes('--print-databases')) {
        io.stdout.write(databases.map((form) => `${form.example}\n    ${form.description}\n`).join(''));
        return 0;
      }
      const { env, injected } = dropServiceVariables(io.env);
      const { values, operands, errors } = parseFlags<Flags>(flags, argv, env, operandsSyntax !== undefined);
      const verbose = values['verbose'] === true || Number(values['verbosity']) >= DEBUG_VERBOSITY;
      const logger = await createLogger(io, verbose);
      if (injected.length > 0)
        logger.debug({ variables: injected }, 'Environment variables that Kubernetes sets for Services are ignored.');
      const known = listFlags(flags).flatMap(variablesOf);
      for (const message of describeUnknownVariables(env, known, name)) logger.warn({}, message);
      const allErrors = [...errors, ...((await validate?.(values as PartialValues<F>, io.env, operands)) ?? [])];
      if (allErrors.length > 0) return reportUsage(io.stderr, `spartakus ${name}`, allErrors, 'flags');
      try {
        return await spec.run({ ...(values as unknown as FlagValues<F>), verbose }, { ...io, operands, logger });
      } catch (error) {
        io.stderr.write(`spartakus ${name}: ${SpartakusError.from(error).message}\n`);
        return 1;
      }
    },
  };
}

/** Prints usage errors. Returns the exit code. */
export function reportUsage(stderr: Output, program: string, errors: readonly string[], what: string): number {
  const lines = [...errors.map((error) => `${program}: ${error}`), `Run "${program} --help" for all ${what}.`];
  stderr.write(`${lines.join('\n')}\n`);
  return EXIT_USAGE;
}

/** Waits until a task ends or, when the process is asked to stop, is closed. Resolves with the exit code. */
export async function waitFor(
  task: { readonly done: Promise<{ readonly status: string }>; close(): Promise<void> },
  stop: AbortSignal,
): Promise<number> {
  const close = () => void task.close();
  if (stop.aborted) close();
  else stop.addEventListener('abort', close, { once: true });
  const { status } = await task.done;
  return status === 'failed' ? 1 : 0;
}

/** Runs checks one after the other, without those that are `false`. Resolves with the messages of those that fail. */
export async function errorsOf(...checks: readonly ((() => unknown) | false)[]): Promise<readonly string[]> {
  const errors: string[] = [];
  for (const check of checks) {
    try {
      if (check) await check();
    } catch (error) {
      errors.push(messageOf(error));
    }
  }
  return errors;
}

function describeCommand({ name, description, flags, operands }: Omit<Command, 'run'>, format: Format): string {
  const subcommands = listSubcommands(name);
  const sections = [
    `${format.bold('Usage:')} spartakus ${name} [flags]${operands === undefined ? '' : ` [${operands}]`}`,
    wrap(description, format.width, ''),
    ...(subcommands.length === 0 ? [] : [describeCommands('Subcommands:', subcommands, format)]),
    describeFlags(listFlags(flags), format),
    'A flag takes precedence over its environment variable.',
  ];
  return `${sections.join('\n\n')}\n`;
}
