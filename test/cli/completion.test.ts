import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COMMAND_LIST } from '../../src/cli/command-list.ts';
import type { Command } from '../../src/cli/command.ts';
import { createCompletionModel } from '../../src/cli/completion-model.ts';
import { listFlags } from '../../src/cli/flags.ts';
import { loadCommands, runProgram } from '../../src/cli/program.ts';
import { runIn } from '../support/run-program.ts';

const run = promisify(execFile);

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

/** Scripts that print "line" and the completions at its end for each line after $1, with the script $1. */
const BASH = `
source "$1"
[[ $(complete -p spartakus) == 'complete -F _spartakus spartakus' ]] || exit 1
for line in "\${@:2}"; do
  echo line
  # The words of readline: "=" is one of its own.
  read -ra COMP_WORDS <<<"\${line//=/ = }"
  if [[ $line == *[\\ =] ]]; then COMP_WORDS+=(''); fi
  COMP_LINE=$line COMP_POINT=\${#line} COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
  _spartakus
  printf 'match:%s\\n' "\${COMPREPLY[@]}"
done
`;
const FISH = `
source $argv[1]
for line in $argv[2..]
  echo line
  complete -C $line | string replace -r '^' match:
end
true
`;
const ZSH = fileURLToPath(new URL('../support/complete.zsh', import.meta.url));
const COMMANDS: Readonly<Record<Shell, (script: string) => readonly string[]>> = {
  bash: (script) => ['bash', '--norc', '-c', BASH, 'bash', script],
  zsh: (script) => ['zsh', '-f', ZSH, script],
  fish: (script) => ['fish', '--no-config', '-c', FISH, script],
};

let work: string;
let commands: readonly Command[];

beforeAll(async () => {
  work = await mkdtemp(path.join(tmpdir(), 'spartakus-completion-'));
  commands = await loadCommands();
  await mkdir(path.join(work, 'certs'));
  await writeFile(path.join(work, 'ca.crt'), '');
  for (const shell of SHELLS) {
    const { code, stdout } = await runIn(runProgram, ['completion', shell]);
    if (code !== 0) throw new Error(`completion ${shell} ends with ${code}`);
    await writeFile(path.join(work, shell), stdout);
  }
});

afterAll(() => rm(work, { recursive: true, force: true }));

/** The completions of the last word of each line, sorted: without the part of it before "=" or ",", and without descriptions. */
async function complete(shell: Shell, lines: readonly string[]): Promise<readonly (readonly string[])[]> {
  const [program = '', ...args] = COMMANDS[shell](path.join(work, shell));
  const env = { PATH: process.env['PATH'], HOME: work, TERM: 'dumb' };
  const { stdout } = await run(program, [...args, ...lines], { cwd: work, env });
  const parts = stdout.split(/^line\r?$/m).slice(1);
  return parts.map((part) => {
    const matches = part.matchAll(/^match:(?:--[a-z-]+=|[^\t\r\n]*,)?([^\t\r\n]+?)\/?(?:\t.*)?\r?$/gm);
    return [...new Set(Array.from(matches, ([, word = '']) => word))].toSorted();
  });
}

const isInstalled = (shell: Shell): boolean =>
  (process.env['PATH'] ?? '').split(':').some((dir) => existsSync(path.join(dir, shell)));

const EXPECTED: readonly (readonly [line: string, words: readonly string[]])[] = [
  ['spartakus vol', ['volunteer']],
  ['spartakus agent ', ['kubermatic', 'kubernetes']],
  ['spartakus volunteer e', ['explain']],
  ['spartakus volunteer --node', ['--node-id']],
  ['spartakus volunteer --dry-run --node', ['--node-id']],
  ['spartakus volunteer explain --form', ['--format']],
  ['spartakus agent kubernetes --id-k', ['--id-key', '--id-key-file']],
  ['spartakus volunteer --node-id ', ['hmac', 'md5']],
  ['spartakus volunteer --node-id=m', ['md5']],
  ['spartakus volunteer explain --format ', ['json', 'markdown', 'text', 'yaml']],
  ['spartakus volunteer --collect n', ['namespaces', 'nodes']],
  ['spartakus volunteer --collect nodes,n', ['namespaces']],
  ['spartakus agent kubermatic --collect ', ['projects', 'ssh-keys', 'users']],
  ['spartakus volunteer --ca-file c', ['ca.crt', 'certs']],
  ['spartakus volunteer --ca-file=ca', ['ca.crt']],
  ['spartakus volunteer --spool-dir c', ['certs']],
  ['spartakus completion ', ['bash', 'fish', 'zsh']],
  // Nothing for secrets and free text.
  ['spartakus volunteer --id-secret ', []],
  ['spartakus volunteer --cluster-id ', []],
  ['spartakus volunteer --database ', []],
  ['spartakus volunteer --context=', []],
  ['spartakus volunteer --id-scope c', []],
];

describe.each(SHELLS)('%s', (shell) => {
  test.runIf(isInstalled(shell))('completes commands, flags and values', async () => {
    const completed = await complete(
      shell,
      EXPECTED.map(([line]) => line),
    );

    expect(EXPECTED.map(([line], index) => [line, completed[index]])).toStrictEqual(EXPECTED);
  });
});

test('bash completes every flag of every command', async () => {
  const expected = commands.map(({ name, flags }) => {
    const names = listFlags(flags).map((flag) => flag.name);
    return [
      name,
      [...new Set(names)]
        .filter((flag) => flag.length > 1)
        .map((flag) => `--${flag}`)
        .toSorted(),
    ];
  });

  const completed = await complete(
    'bash',
    commands.map(({ name }) => `spartakus ${name} -`),
  );

  expect(commands.map(({ name }, index) => [name, completed[index]])).toStrictEqual(expected);
});

test('what is completed is accepted as a value', () => {
  const model = createCompletionModel(commands);
  let words = 0;
  for (const { name, flags } of commands) {
    const completed = model.commands.find((each) => each.name === name)?.flags ?? [];
    for (const { name: flag, completion } of completed) {
      const { parse } = listFlags(flags).find((each) => `--${each.name}` === flag) ?? {};
      for (const word of 'words' in completion ? completion.words : []) {
        expect(() => parse?.(word), `${name} ${flag} ${word}`).not.toThrow();
        words += 1;
      }
    }
  }
  expect(words).toBeGreaterThan(20);
  expect(model.words.map(({ word }) => word)).toStrictEqual([
    ...new Set(COMMAND_LIST.map(({ name }) => name.split(' ')[0])),
  ]);
});
