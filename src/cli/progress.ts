import type { Output } from './help.ts';

const BAR_WIDTH = 40;
const ERASE_LINE = '\r\u001B[K';
/** Where the output is no terminal. */
const LINE_INTERVAL_MS = 5_000;

/** Shows the progress of a long task: a bar on a terminal, otherwise a line every few seconds. */
export function createProgress(output: Output, nowMs: () => number = () => performance.now()) {
  let lastMs = Number.NEGATIVE_INFINITY;
  let isShown = false;
  return {
    /** @param text such as "reports" */
    show(text: string, done: number, total: number): void {
      const share = total === 0 ? 1 : Math.min(1, done / total);
      const line = `${done.toLocaleString('en')} of ${total.toLocaleString('en')} ${text}`;
      if (output.isTTY === true) {
        const filled = Math.round(share * BAR_WIDTH);
        output.write(`${ERASE_LINE}[${'='.repeat(filled)}${' '.repeat(BAR_WIDTH - filled)}] ${line}`);
        isShown = true;
        return;
      }
      if (nowMs() - lastMs < LINE_INTERVAL_MS) return;
      lastMs = nowMs();
      output.write(`${line}\n`);
    },
    /** Ends the line of the bar. */
    end(): void {
      if (isShown) output.write('\n');
      isShown = false;
    },
  };
}
