import { type Ended, type Program, startProgram } from './program.ts';

/** Without limits for each address and cluster: every client of a test has the same address. */
export const UNLIMITED_CLIENTS = [
  '--max-address-rate=0',
  '--max-address-bytes=0',
  '--max-address-connections=0',
  '--max-address-connection-rate=0',
  '--max-address-streams=0',
  '--max-cluster-rate=0',
  '--max-new-clusters=0',
];

/** Listens on a free port of 127.0.0.1, without an admin listener. */
const LISTEN = ['--host=127.0.0.1', '--port=0', '--console-listen=off'];

/** A collector in a process of its own. */
export interface CollectorProgram extends Program {
  readonly url: string;
  /** As in a URL: 127.0.0.1 and the port. */
  readonly host: string;
  readonly port: number;
  /** Sends a signal, SIGTERM by default, and resolves once the process has ended. */
  stop(signal?: NodeJS.Signals): Promise<Ended>;
}

/**
 * Starts the collector's process without waiting for it.
 *
 * @param command what to run in place of the sources
 */
export function launchCollector(args: readonly string[], env?: NodeJS.ProcessEnv, command?: string[]): Program {
  return startProgram(['collector', ...LISTEN, ...args], env, command);
}

/** Resolves with the URL of a collector's process once it listens. */
export async function listeningUrl(program: Program): Promise<string> {
  return (await program.says(/"url":"([^"]+)"/))[1] ?? '';
}

/** Starts a collector in a process of its own, and resolves once it listens; see launchCollector. */
export async function startCollectorProgram(
  args: readonly string[],
  env?: NodeJS.ProcessEnv,
  command?: string[],
): Promise<CollectorProgram> {
  const program = launchCollector(args, env, command);
  const url = await listeningUrl(program);
  const { host, port } = new URL(url);
  return {
    ...program,
    url,
    host,
    port: Number(port),
    stop: (signal = 'SIGTERM') => {
      program.process.kill(signal);
      return program.ended;
    },
  };
}
