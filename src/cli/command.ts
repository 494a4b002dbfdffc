import type { Writable } from 'node:stream';
import manifest from '../../package.json' with { type: 'json' };
import { describeFlags, envName, type Flags, type FlagValues, parseFlags } from './flags.ts';
import { parseSwitch } from './values.ts';

/** What a command gets from the process. */
export interface Io {
  readonly env: NodeJS.ProcessEnv;
  readonly stdout: Writable;
  readonly stderr: Writable & { readonly isTTY?: boolean };
  /** Aborted when the process is asked to stop. */
  readonly stop: AbortSignal;
}

/** One command of the program. */
export interface Command {
  readonly name: string;
  readonly summary: string;
  readonly flags: Flags;
  /** Resolves with the exit code: 0 done, 1 failed, 2 called wrongly. */
  readonly run: (argv: readonly string[], io: Io) => Promise<number>;
}

export interface CommandSpec<F extends Flags> {
  readonly name: string;
  readonly summary: string;
  readonly flags: F;
  /** What --print-databases lists: the forms that the command's --database takes. A command without them has no such flag. */
  readonly databases?: readonly { readonly example: string; readonly description: string }[];
  /**
   * What can be said only of several flags together, or of the files that they name: a message for each thing that is wrong. It
   * is asked even where some flags are wrong by themselves, so that everything is told at once.
   */
  readonly check?: (values: Partial<FlagValues<F>>, io: Io) => Promise<readonly string[]>;
  readonly execute: (values: FlagValues<F>, io: Io) => Promise<number>;
}

/** Flags that say something and end: of every command with a --database, and of every command. */
const DATABASES_FLAG = {
  'print-databases': {
    default: 'false',
    help: 'Lists the forms of --database with examples, and exits.',
    parse: parseSwitch,
  },
};
const HELP_FLAG = { help: { default: 'false', help: 'Prints this text, and exits.', parse: parseSwitch } };

/** The exit code of a program that was called wrongly, as everywhere. */
const EXIT_USAGE = 2;

/** A command that parses its flags, answers --help, and tells everything that is wrong with its flags at once. */
export function createCommand<F extends Flags>(spec: CommandSpec<F>): Command {
  const { name, summary, databases, check, execute } = spec;
  const flags = { ...spec.flags, ...(databases === undefined ? {} : DATABASES_FLAG), ...HELP_FLAG };
  const usage =
    `usage: spartakus ${name} [flags]\n\n${summary}\n\n${describeFlags(flags)}\n\n` +
    `Every flag can be given in the environment: --report-period as SPARTAKUS_REPORT_PERIOD.\n`;
  return {
    name,
    summary,
    flags,
    async run(argv, io) {
      const isAsked = (flag: 'help' | 'print-databases'): boolean =>
        argv.includes(`--${flag}`) || argv.includes(`--${flag}=true`) || io.env[envName(flag)] === 'true';
      if (isAsked('help') || argv.includes('-h')) {
        io.stdout.write(usage);
        return 0;
      }
      if (databases !== undefined && isAsked('print-databases')) {
        io.stdout.write(databases.map(({ example, description }) => `${example}\n    ${description}\n`).join(''));
        return 0;
      }
      const { values, errors } = parseFlags(flags, argv, io.env);
      const allErrors = [...errors, ...((await check?.(values, io)) ?? [])];
      if (allErrors.length > 0) {
        io.stderr.write(`${allErrors.map((error) => `spartakus ${name}: ${error}\n`).join('')}\n${usage}`);
        return EXIT_USAGE;
      }
      return await execute(values as FlagValues<F>, io);
    },
  };
}

/** The program's version, as its package says: "2.0.0". */
export function programVersion(): string {
  return manifest.version;
}
