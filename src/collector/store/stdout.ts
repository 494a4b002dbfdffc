import { once } from 'node:events';
import type { Writable } from 'node:stream';
import type { Outcome, ReportStore } from '../../report/report-sink.ts';
import { messageOf, SpartakusError } from '../../runtime/errors.ts';
import { documentOf } from './encoded-document.ts';

/** Prints each document as one line of JSON. It finds no duplicates, and leaves the output open. */
export function createStdoutStore(output: Writable): ReportStore {
  return {
    async put(entries) {
      const lines = entries.map((entry) => `${JSON.stringify(documentOf(entry).document, bytesAsBase64)}\n`);
      try {
        if (!output.write(lines.join(''))) await once(output, 'drain');
        return entries.map((): Outcome => ({ status: 'stored' }));
      } catch (cause) {
        const error = new SpartakusError('unavailable', `could not print the report: ${messageOf(cause)}`, { cause });
        return entries.map((): Outcome => ({ status: 'failed', error }));
      }
    },
    hasReportsFrom: () => Promise.resolve(false),
    check: () =>
      output.destroyed
        ? Promise.reject(new SpartakusError('unavailable', 'standard output is closed'))
        : Promise.resolve(),
    close: () => Promise.resolve(),
  };
}

/** As in protobuf JSON. The value of a Buffer is what its `toJSON` made of it. */
function bytesAsBase64(this: Readonly<Record<string, unknown>>, name: string, value: unknown): unknown {
  const original = this[name];
  return original instanceof Uint8Array ? Buffer.from(original).toString('base64') : value;
}
