import { createCommand } from './command.ts';
import { renderBashCompletion } from './completion-bash.ts';
import { renderFishCompletion } from './completion-fish.ts';
import { type CompletionModel, createCompletionModel } from './completion-model.ts';
import { renderZshCompletion } from './completion-zsh.ts';

const command = (shell: 'bash' | 'zsh' | 'fish', usage: string, render: (model: CompletionModel) => string) =>
  createCommand({
    name: `completion ${shell}`,
    description:
      `Prints a script that lets ${shell} complete commands, flags, and the values of flags that are files or have few choices. ` +
      `The script starts no program. For the current shell: ${usage}`,
    flags: {},
    async run(_values, { stdout, loadCommands }) {
      stdout.write(render(createCompletionModel((await loadCommands?.()) ?? [])));
      return 0;
    },
  });

export const bashCompletionCommand = command('bash', 'source <(spartakus completion bash)', renderBashCompletion);
export const zshCompletionCommand = command('zsh', 'source <(spartakus completion zsh)', renderZshCompletion);
export const fishCompletionCommand = command('fish', 'spartakus completion fish | source', renderFishCompletion);
