import path from 'node:path';
import { expect, inject, test } from 'vitest';
import { COMMAND_LIST } from '../../src/cli/command-list.ts';
import { startContainer } from '../support/image.ts';

const full = path.join(inject('rootFileSystems'), 'full');

test.each(['', ...COMMAND_LIST.map(({ name }) => name)])('spartakus %s --help', async (name) => {
  const { code, stdout, stderr } = await startContainer(full, [...name.split(' ').filter(Boolean), '--help']).ended;
  expect({ code, stderr }).toStrictEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(new RegExp(`^Usage: spartakus ${name === '' ? 'COMMAND' : name} `));
});
