import path from 'node:path';
import { startProgram } from '../processes.ts';
import { ratio, spreadOf } from '../rounds.ts';
import { type BenchCase, collectorCommand, withDirectory } from './case.ts';

const RUNS = 9;
const QUICK_RUNS = 3;

/** The seconds until a program ends. */
async function untilEnd(args: readonly string[]): Promise<number> {
  const startedAt = performance.now();
  const { code, output } = await startProgram(args).ended;
  if (code !== 0) throw new Error(`a program ended with ${code}: ${output}`);
  return (performance.now() - startedAt) / 1000;
}

/** The seconds until a collector listens, with a database that exists. */
async function untilReady(directory: string): Promise<number> {
  const startedAt = performance.now();
  const program = startProgram(collectorCommand(`--database=embedded:${directory}`));
  await program.says(/"url":/);
  const seconds = (performance.now() - startedAt) / 1000;
  await program.close();
  return seconds;
}

/** Wall time: a busy machine changes it, so the start of Node.js itself is beside it. */
export const START_CASE: BenchCase = {
  id: 'start',
  title: 'Start',
  run: ({ isQuick }) =>
    withDirectory(async (directory) => {
      const [bare, help, ready]: [number[], number[], number[]] = [[], [], []];
      const first = await untilReady(path.join(directory, 'first'));
      for (let run = 0; run < (isQuick ? QUICK_RUNS : RUNS); run += 1) {
        bare.push(await untilEnd(['--eval', '0']));
        help.push(await untilEnd(['dist/main.js', '--help']));
        ready.push(await untilReady(path.join(directory, 'first')));
      }
      const row = (name: string, values: readonly number[]) => ({ name, figures: { s: spreadOf(values) } });
      return {
        rows: [
          row("Node.js itself (node --eval '0')", bare),
          row('spartakus --help', help),
          row('collector on a new database, ready', [first]),
          row('collector on an existing database, ready', ready),
        ],
        ratios: [
          {
            id: 'help',
            label: 'spartakus --help, until it ends',
            value: spreadOf(help),
            unit: 's',
            better: 'lower',
            target: 0.1,
            isAbsolute: true,
          },
          {
            id: 'ready',
            label: 'collector on an existing database, until it listens',
            value: spreadOf(ready),
            unit: 's',
            better: 'lower',
            target: 1,
            isAbsolute: true,
          },
          {
            id: 'help-ratio',
            label: 'spartakus --help, of the start of Node.js',
            value: ratio(help, bare),
            better: 'lower',
          },
          {
            id: 'ready-ratio',
            label: 'collector, of the start of Node.js',
            value: ratio(ready, bare),
            better: 'lower',
          },
        ],
      };
    }),
};
