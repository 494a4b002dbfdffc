import { spawn, spawnSync } from 'node:child_process';
import { chown, mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { followProgram, type Program } from './program.ts';

const RUN = path.join(import.meta.dirname, 'run-in-rootfs.sh');

/** The user of the image, for whom volumes must be writable. */
const USER = 65532;
/** What container engines set where the image does not. */
const ENGINE_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** A command that runs as PID 1 of the image. */
export interface Container extends Program {
  /** Signals PID 1 as a container engine does: from outside its PID namespace. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Its processes, with their states, such as Z of a zombie. The first one is PID 1. */
  processes(): Promise<readonly ContainerProcess[]>;
}

export interface ContainerProcess {
  /** In the PID namespace of this process. */
  readonly pid: number;
  readonly state: string;
  readonly commandLine: string;
}

export interface ContainerOptions {
  /** Directories on this machine, by the path where they are mounted. */
  readonly mounts?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  /** In place of the image's. */
  readonly entrypoint?: readonly string[];
}

/** Why the root file systems cannot be made or entered here; without a reason where they can. */
export function findImageTools(): { readonly missing?: string } {
  if (process.getuid?.() !== 0) return { missing: 'it must run as root' };
  for (const tool of ['mmdebstrap', `${process.arch === 'x64' ? 'x86_64' : 'aarch64'}-linux-gnu-strip`])
    if (spawnSync(tool, ['--version']).status !== 0) return { missing: `${tool} is not installed` };
  const entered = spawnSync('unshare', ['--mount', '--pid', '--fork', 'mount', '--make-rprivate', '/']);
  return entered.status === 0 ? {} : { missing: `namespaces cannot be made: ${entered.stderr.toString().trim()}` };
}

/** A directory that the image's user may write to, as a volume. */
export async function makeVolume(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true });
  await chown(directory, USER, USER);
  return directory;
}

/** Starts the image's entry point with arguments in a root file system. */
export function startContainer(rootFs: string, args: readonly string[], options: ContainerOptions = {}): Container {
  const { mounts = {}, env = {}, entrypoint = ['/usr/bin/spartakus'] } = options;
  const sources = Object.entries(mounts).map(([target, source]) => `${source}:${target}`);
  const child = spawn(RUN, [rootFs, ...sources, '--', ...entrypoint, ...args], {
    env: { PATH: ENGINE_PATH, HOME: '/var/lib/spartakus', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const processes = async (): Promise<ContainerProcess[]> => {
    const found = [];
    let pids = await childrenOf(Number(child.pid));
    while (pids.length > 0) {
      found.push(...(await Promise.all(pids.map(describeProcess))));
      pids = (await Promise.all(pids.map(childrenOf))).flat();
    }
    return found;
  };
  return {
    ...followProgram(child),
    processes,
    kill: async (signal) => {
      const [first] = await processes();
      if (first === undefined) throw new Error('the container has ended');
      process.kill(first.pid, signal);
    },
  };
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return text.split(' ').filter(Boolean).map(Number);
}

async function describeProcess(pid: number): Promise<ContainerProcess> {
  const read = (name: string): Promise<string> => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '');
  const state = /\) (\w)/.exec(await read('stat'))?.[1] ?? '';
  return { pid, state, commandLine: (await read('cmdline')).replaceAll('\0', ' ').trim() };
}
