import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { COMMAND_LIST } from '../../src/cli/command-list.ts';
import { loadCommand } from '../../src/cli/program.ts';
import { renderFlagsPage } from '../support/flags-page.ts';

test('docs/configuration.md lists the flags of every command (npm run docs writes it)', async () => {
  const commands = await Promise.all(COMMAND_LIST.map(({ name }) => loadCommand(name)));

  await expect(renderFlagsPage(commands)).toMatchFileSnapshot(
    fileURLToPath(new URL('../../docs/configuration.md', import.meta.url)),
  );
});
