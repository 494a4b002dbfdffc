import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { listFlags, variablesOf } from '../../src/cli/flags.ts';
import { loadCommands, runProgram } from '../../src/cli/program.ts';
import { runIn } from '../support/run-program.ts';

const FILE = fileURLToPath(new URL('../../man/spartakus.1', import.meta.url));

test('man/spartakus.1 is what `spartakus man` prints (npm run docs writes it)', async () => {
  const { code, stdout } = await runIn(runProgram, ['man']);

  expect(code).toBe(0);
  await expect(stdout).toMatchFileSnapshot(FILE);
});

const hasProgram = (name: string): boolean => spawnSync(name, ['--version']).error === undefined;

test.runIf(hasProgram('mandoc'))('mandoc finds nothing wrong', () => {
  expect(spawnSync('mandoc', ['-T', 'lint', FILE], { encoding: 'utf8' }).stdout).toBe('');
});

test.runIf(hasProgram('groff'))('groff formats it without a warning, and it has every flag and variable', async () => {
  const { stdout, stderr } = spawnSync('groff', ['-man', '-ww', '-Tutf8', '-P-c', '-rLL=1000n', '-rHY=0', FILE], {
    encoding: 'utf8',
    maxBuffer: 10_000_000,
  });
  // Bold text is printed twice, with a backspace between.
  // oxlint-disable-next-line no-control-regex -- removes it
  const text = stdout.replaceAll(/.\u0008/g, '');
  const words = new Set(text.split(/[\s,.]+/));
  const commands = await loadCommands();
  const expected = commands.flatMap(({ flags }) =>
    listFlags(flags).flatMap((flag) => [`--${flag.name}`, ...variablesOf(flag)]),
  );

  expect(stderr).toBe('');
  expect(expected.filter((word) => !words.has(word))).toStrictEqual([]);
  expect(commands.filter(({ name }) => !text.includes(`   spartakus ${name}\n`))).toStrictEqual([]);
});
