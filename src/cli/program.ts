import { setFlagsFromString } from 'node:v8';
import { maskUrl } from '../runtime/mask.ts';
import { COMMAND_LIST, type CommandName, listSubcommands } from './command-list.ts';
import { type Command, EXIT_USAGE, type Io, reportUsage } from './command.ts';
import { describeCommands, type Format, formatFor } from './help.ts';
import { suggest } from './suggest.ts';
import { describeVersion } from './version.ts';

/** Each command is loaded separately: a volunteer needs no database driver. */
const LOADERS: Readonly<Record<CommandName, () => Promise<Command>>> = {
  collector: async () => (await import('./collector.ts')).collectorCommand,
  stats: async () => (await import('./stats.ts')).statsCommand,
  'stats rebuild': async () => (await import('./stats.ts')).statsRebuildCommand,
  erase: async () => (await import('./stats.ts')).eraseCommand,
  'quarantine list': async () => (await import('./quarantine.ts')).quarantineListCommand,
  'quarantine release': async () => (await import('./quarantine.ts')).quarantineReleaseCommand,
  'quarantine drop': async () => (await import('./quarantine.ts')).quarantineDropCommand,
  'database init': async () => (await import('./database-init.ts')).databaseInitCommand,
  'database check': async () => (await import('./database-check.ts')).databaseCheckCommand,
  volunteer: async () => {
    // Both flags have an effect after the start. Without a growing space for young objects, reading 5,000 nodes takes 14 MiB less. A
    // volunteer waits or ends before TurboFan has saved the time that it takes.
    for (const flag of ['--semi-space-growth-factor=1', '--no-turbofan']) setFlagsFromString(flag);
    return (await import('./volunteer.ts')).volunteerCommand;
  },
  'volunteer explain': async () => (await import('./explain.ts')).explainCommand,
  'volunteer doctor': async () => (await import('./doctor.ts')).doctorCommand,
  'agent kubernetes': async () => (await import('./agent.ts')).kubernetesAgentCommand,
  'agent kubermatic': async () => (await import('./agent.ts')).kubermaticAgentCommand,
  'reporter stdout': async () => (await import('./reporter.ts')).stdoutReporterCommand,
  'reporter http': async () => (await import('./reporter.ts')).httpReporterCommand,
  'reporter grpc': async () => (await import('./reporter.ts')).grpcReporterCommand,
  'completion bash': async () => (await import('./completion.ts')).bashCompletionCommand,
  'completion zsh': async () => (await import('./completion.ts')).zshCompletionCommand,
  'completion fish': async () => (await import('./completion.ts')).fishCompletionCommand,
  man: async () => (await import('./man.ts')).manCommand,
};

export function loadCommand(name: CommandName): Promise<Command> {
  return LOADERS[name]();
}

/** All commands, in the order of the help. */
export function loadCommands(): Promise<readonly Command[]> {
  return Promise.all(COMMAND_LIST.map(({ name }) => loadCommand(name)));
}

/** Resolves with the exit code. */
export async function runProgram(argv: readonly string[], io: Io): Promise<number> {
  const [first = '', second = ''] = argv;
  const isHelp = (word: string): boolean => ['--help', '-h', 'help'].includes(word);
  if (first === '--version' || first === 'version') {
    io.stdout.write(`${describeVersion()}\n`);
    return 0;
  }
  if (isHelp(first)) {
    io.stdout.write(describeProgram(formatFor(io.stdout, io.env)));
    return 0;
  }
  if (first === '') {
    io.stderr.write(describeProgram(formatFor(io.stderr, io.env)));
    return EXIT_USAGE;
  }
  const subcommands = listSubcommands(first);
  const name = findCommand(`${first} ${second}`) ?? findCommand(first);
  const takesOperands = COMMAND_LIST.some((command) => command.name === name && 'takesOperands' in command);
  if (
    subcommands.length > 0 &&
    name === findCommand(first) &&
    !takesOperands &&
    second !== '' &&
    !second.startsWith('-')
  ) {
    const names = subcommands.map((command) => command.name.slice(first.length + 1));
    return reportUsage(io.stderr, `spartakus ${first}`, [unknownCommand(second, names)], 'commands');
  }
  if (name !== undefined) {
    const command = await loadCommand(name);
    return await command.run(argv.slice(name.split(' ').length), { ...io, loadCommands });
  }
  if (subcommands.length === 0) {
    const names = COMMAND_LIST.map((command) => command.name.split(' ', 1)[0] ?? '');
    return reportUsage(io.stderr, 'spartakus', [unknownCommand(first, names)], 'commands');
  }
  const output = isHelp(second) ? io.stdout : io.stderr;
  output.write(describeGroup(first, formatFor(output, io.env)));
  return isHelp(second) ? 0 : EXIT_USAGE;
}

function findCommand(name: string): CommandName | undefined {
  return COMMAND_LIST.find((command) => command.name === name)?.name;
}

function unknownCommand(word: string, names: readonly string[]): string {
  const close = suggest(word, names);
  const kind = word.startsWith('-') ? 'flag' : 'command';
  return `unknown ${kind} ${JSON.stringify(maskUrl(word))}${close === undefined ? '' : `; did you mean ${close}?`}`;
}

function describeProgram(format: Format): string {
  const flags = [
    { name: '-h, --help', summary: 'Print this help, or with a command its flags' },
    { name: '--version', summary: 'Print the version, the commit and the version of Node.js' },
  ];
  return [
    `${format.bold('Usage:')} spartakus COMMAND [flags]`,
    'Honest, anonymous usage telemetry for Kubernetes.',
    describeCommands('Commands:', COMMAND_LIST, format),
    `${describeCommands('Flags:', flags, format)}\n`,
  ].join('\n\n');
}

function describeGroup(name: string, format: Format): string {
  return [
    `${format.bold('Usage:')} spartakus ${name} COMMAND [flags]`,
    describeCommands('Commands:', listSubcommands(name), format),
    `Run "spartakus ${name} COMMAND --help" for the flags of a command.\n`,
  ].join('\n\n');
}
