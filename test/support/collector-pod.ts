import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readStart } from './manifest-rules.ts';
import type { Container, Manifest } from './manifests.ts';
import { workloadNamed } from './network.ts';
import { type Ended, startProgram } from './program.ts';

interface CollectorPod {
  readonly container: Container;
  /** The port of this machine for a port of the container, by its number or name. */
  readonly portOf: (port: number | string) => number;
  /** Ends it as the kubelet does, and removes its files. */
  readonly close: () => Promise<Ended>;
}

/**
 * Starts the collector of manifests as its pod does, with its paths in a temporary folder and its ports on free ones.
 *
 * @param files what Secrets and volumes have, by the path in the container
 * @throws Error where the collector does not start
 */
export async function openCollectorPod(
  manifests: readonly Manifest[],
  files: Readonly<Record<string, string>>,
): Promise<CollectorPod> {
  const [container] = workloadNamed(manifests, 'spartakus-collector').pod.containers;
  if (container === undefined) throw new Error('the pod has no container');
  const { env, problems } = await readStart(container, manifests);
  if (problems.length > 0) throw new Error(problems.join('\n'));
  const root = await mkdtemp(path.join(tmpdir(), 'spartakus-test-'));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(root, name)), { recursive: true });
    await writeFile(path.join(root, name), content);
  }
  const moved = Object.entries(env).map(([name, text]) => [
    name,
    text.replace(/\/(?:etc|var\/lib)\/spartakus/, (prefix) => path.join(root, prefix)).replace(/\b808\d$/, '0'),
  ]);
  const program = startProgram(container.args ?? [], Object.fromEntries(moved) as Record<string, string>);
  const close = async (): Promise<Ended> => {
    program.process.kill('SIGTERM');
    const ended = await program.ended;
    await rm(root, { recursive: true, force: true });
    return ended;
  };
  try {
    const [, url = '', consoleUrl = ''] = await program.says(/"url":"([^"]+)","console":"([^"]+)"/);
    const ports: Readonly<Record<string, string>> = { reports: new URL(url).port, console: new URL(consoleUrl).port };
    const portOf = (port: number | string): number => {
      const name = container.ports?.find((each) => each.name === port || each.containerPort === port)?.name;
      return Number(ports[name ?? '']);
    };
    return { container, portOf, close };
  } catch (error) {
    await close();
    throw error;
  }
}
