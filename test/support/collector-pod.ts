import path from 'node:path';
import { withFiles } from './files.ts';
import { readStart } from './manifest-rules.ts';
import type { Container, Manifest } from './manifests.ts';
import { workloadNamed } from './network.ts';
import { startProgram } from './program.ts';

interface CollectorPod {
  readonly container: Container;
  /** The port of this machine for a port of the container, by its number or name. */
  readonly portOf: (port: number | string) => number;
}

/**
 * Starts the collector of manifests as its pod does, with its paths in a temporary folder and its ports on free ones, and stops it after
 * `use`, as the kubelet does.
 *
 * @param files what Secrets and volumes have, by the path in the container
 * @throws Error where the collector does not start, or does not end with code 0
 */
export async function withCollectorPod(
  manifests: readonly Manifest[],
  files: Readonly<Record<string, string>>,
  use: (pod: CollectorPod) => Promise<void>,
): Promise<void> {
  const [container] = workloadNamed(manifests, 'spartakus-collector').pod.containers;
  if (container === undefined) throw new Error('the pod has no container');
  const { env, problems } = await readStart(container, manifests);
  if (problems.length > 0) throw new Error(problems.join('\n'));
  await withFiles(files, async (root) => {
    const moved = Object.entries(env).map(([name, text]) => [
      name,
      text.replace(/\/(?:etc|var\/lib)\/spartakus/, (prefix) => path.join(root, prefix)).replace(/\b808\d$/, '0'),
    ]);
    const program = startProgram(container.args ?? [], Object.fromEntries(moved) as Record<string, string>);
    const [, url = '', consoleUrl = ''] = await program.says(/"url":"([^"]+)","console":"([^"]+)"/);
    const ports = new Map([
      ['reports', Number(new URL(url).port)],
      ['console', Number(new URL(consoleUrl).port)],
    ]);
    const portOf = (port: number | string): number => {
      const name = container.ports?.find((each) => each.name === port || each.containerPort === port)?.name ?? '';
      return ports.get(name) ?? 0;
    };
    try {
      await use({ container, portOf });
    } finally {
      program.process.kill('SIGTERM');
    }
    const { code, stderr } = await program.ended;
    if (code !== 0) throw new Error(`the collector ended with ${code}: ${stderr}`);
  });
}
