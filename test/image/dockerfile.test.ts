import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { loadAll } from 'js-yaml';
import { expect, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };

const PROJECT = path.join(import.meta.dirname, '../..');
const read = (file: string): string => readFileSync(path.join(PROJECT, file), 'utf8');
const dockerfile = read('deploy/image/Dockerfile').replaceAll('\\\n', ' ');
/** The values of an instruction, such as `USER`. */
const valuesOf = (instruction: string): string[] =>
  Array.from(dockerfile.matchAll(new RegExp(`^${instruction} +(.*)$`, 'gm')), ([, value = '']) => value.trim());

test('the image has the entry point and the user that the tests have', () => {
  expect(valuesOf('ENTRYPOINT')).toStrictEqual(['["/usr/bin/spartakus"]']);
  expect(valuesOf('USER')).toStrictEqual(['65532:65532']);
  expect(valuesOf('WORKDIR').at(-1)).toBe('/');
});

test('the image has only the layers, and the last target is the one with the engine', () => {
  const stages = valuesOf('FROM').map((stage) => stage.split(' AS '));
  expect(stages.slice(1)).toStrictEqual([
    ['scratch', 'slim'],
    ['slim', 'full'],
  ]);
  const copies = valuesOf('COPY').filter((copy) => copy.startsWith('--from='));
  expect(copies).toStrictEqual(['base', 'program', 'engine'].map((layer) => `--from=layers /layers/${layer} /`));
  expect(dockerfile.slice(dockerfile.indexOf('FROM scratch'))).not.toMatch(/^RUN /m);
});

test('the build begins from a digest, with the Node.js of the development', () => {
  const builder = new RegExp(`^BUILDER=(node:${manifest.devDependencies.node}-trixie-slim@sha256:[0-9a-f]{64})$`);
  const [, image = ''] = builder.exec(valuesOf('ARG')[0] ?? '') ?? [];
  expect(image).not.toBe('');
  expect(read('.github/workflows/release.yaml')).toContain(`image: ${image}\n`);
  expect(read('deploy/image/node.sha512').match(/node-linux-(x64|arm64)-[\d.]+/g)).toStrictEqual(
    ['arm64', 'x64'].map((cpu) => `node-linux-${cpu}-${manifest.devDependencies.node}.`),
  );
});

test('the labels have the version of the program', () => {
  expect(valuesOf('ARG')).toContain(`VERSION=${manifest.version}`);
  const labels = new Map(
    Array.from(dockerfile.matchAll(/org\.opencontainers\.image\.(\w+)="([^"]*)"/g), ([, name, value]) => [name, value]),
  );
  expect(Object.fromEntries(labels)).toMatchObject({
    title: 'spartakus',
    version: '${VERSION}',
    revision: '${REVISION}',
    created: '${CREATED}',
    licenses: 'Apache-2.0 AND SSPL-1.0',
    source: manifest.repository.url.replace(/^git\+|\.git$/g, ''),
  });
});

interface Workflow {
  readonly jobs: Readonly<
    Record<string, { readonly steps: readonly { readonly uses?: string; readonly run?: string }[] }>
  >;
}

test('the release workflow names targets and files that exist, and pins its actions', () => {
  const [workflow] = loadAll(read('.github/workflows/release.yaml')) as [Workflow];
  const steps = Object.values(workflow.jobs).flatMap((job) => job.steps);
  for (const { uses } of steps.filter((step) => step.uses !== undefined))
    expect(uses).toMatch(/^[\w/-]+@[0-9a-f]{40}$/);
  const commands = steps.map(({ run = '' }) => run).join('\n');
  for (const [file] of commands.matchAll(/(?<![\w/])(deploy\/|\.ci\/)[\w./-]+/g))
    expect({ file, exists: existsSync(path.join(PROJECT, file)) }).toMatchObject({ exists: true });
  const targets = valuesOf('FROM').map((stage) => stage.split(' AS ')[1]);
  expect(/for target in ([\w ]+);/.exec(commands)?.[1]?.split(' ')).toStrictEqual(targets.slice(1));
  const passed = Array.from(commands.matchAll(/--build-arg (\w+)=/g), ([, name = '']) => name);
  const declared = valuesOf('ARG').map((argument) => argument.split('=')[0]);
  expect(declared).toStrictEqual(expect.arrayContaining(passed));
});
