import { createCommand } from './command.ts';
import { renderManPage } from './man-page.ts';
import { PROGRAM_VERSION } from './version.ts';

export const manCommand = createCommand({
  name: 'man',
  description:
    'Prints the manual page spartakus(1) with all commands, flags and environment variables, in the format of man(7). To read it: ' +
    'spartakus man | man -l -',
  flags: {},
  async run(_values, { stdout, loadCommands }) {
    stdout.write(renderManPage((await loadCommands?.()) ?? [], PROGRAM_VERSION));
    return 0;
  },
});
