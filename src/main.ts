#!/usr/bin/env node
import process from 'node:process';
import { setFlagsFromString } from 'node:v8';
import { type Command, programVersion } from './cli/command.ts';

/** Every command; of two that begin with one word, the longer first. Each is loaded when it is called: a volunteer has no need of a database driver. */
const COMMANDS: readonly { readonly name: string; readonly summary: string; readonly load: () => Promise<Command> }[] =
  [
    {
      name: 'collector',
      summary: 'takes reports and stores them',
      load: async () => (await import('./cli/collector.ts')).collectorCommand,
    },
    {
      name: 'volunteer explain',
      summary: 'prints what a volunteer would send, and the rights that it takes',
      load: async () => (await import('./cli/explain.ts')).explainCommand,
    },
    {
      name: 'volunteer doctor',
      summary: 'checks whether the next report of a volunteer would be made and stored',
      load: async () => (await import('./cli/doctor.ts')).doctorCommand,
    },
    {
      name: 'agent kubernetes',
      summary: 'reads a cluster, and writes a record for the reporter',
      load: async () => (await import('./cli/agent.ts')).kubernetesAgentCommand,
    },
    {
      name: 'agent kubermatic',
      summary: 'reads an installation of Kubermatic, and writes a record for the reporter',
      load: async () => (await import('./cli/agent.ts')).kubermaticAgentCommand,
    },
    {
      name: 'reporter stdout',
      summary: 'prints what agents wrote as one report',
      load: async () => (await import('./cli/reporter.ts')).stdoutReporterCommand,
    },
    {
      name: 'reporter http',
      summary: 'sends what agents wrote as one report, over HTTP',
      load: async () => (await import('./cli/reporter.ts')).httpReporterCommand,
    },
    {
      name: 'reporter grpc',
      summary: 'sends what agents wrote as one report, over gRPC',
      load: async () => (await import('./cli/reporter.ts')).grpcReporterCommand,
    },
    {
      name: 'volunteer',
      summary: 'reads the Kubernetes API, and reports',
      load: async () => {
        keepYoungSpaceSmall();
        return (await import('./cli/volunteer.ts')).volunteerCommand;
      },
    },
  ];

const USAGE = `usage: spartakus COMMAND [flags]

Honest, anonymous usage telemetry for Kubernetes.

${COMMANDS.map(({ name, summary }) => `  ${name.padEnd(17)}  ${summary}`).join('\n')}

spartakus COMMAND --help lists the flags of a command; spartakus --version prints the version.
`;

async function main(args: readonly string[]): Promise<number> {
  const [name] = args;
  if (name === '--version' || name === 'version') {
    process.stdout.write(`v${programVersion()}\n`);
    return 0;
  }
  if (name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(USAGE);
    return 0;
  }
  const command = COMMANDS.find((candidate) => args.slice(0, wordsOf(candidate.name)).join(' ') === candidate.name);
  if (command === undefined) {
    process.stderr.write(
      `spartakus: ${name === undefined ? 'no command given' : `there is no command ${JSON.stringify(name)}`}\n\n${USAGE}`,
    );
    return 2;
  }
  const { run } = await command.load();
  return await run(args.slice(wordsOf(command.name)), { ...pickStreams(), env: process.env, stop: stopSignal() });
}

/**
 * V8 makes more and more room for young objects, as suits a server. A volunteer has all night: with no more room than at its start, 5,000
 * nodes take 14 MiB less. V8 reads this flag when it would make more room; --max-semi-space-size it reads before the program begins.
 */
function keepYoungSpaceSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}

function wordsOf(name: string): number {
  return name.split(' ').length;
}

function pickStreams(): { stdout: NodeJS.WriteStream; stderr: NodeJS.WriteStream } {
  const { stdout, stderr } = process;
  // Whoever reads our output may leave (`| head`): that ends the program, quietly, as it does everywhere.
  stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  return { stdout, stderr };
}

/** Aborted by SIGTERM or SIGINT. One that comes again changes nothing: npm hands on a Ctrl-C that the terminal has told us of already. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => controller.abort());
  return controller.signal;
}

process.exit(await main(process.argv.slice(2)));
