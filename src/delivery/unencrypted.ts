import { isLoopback, stripBrackets } from '../runtime/addresses.ts';
import type { Logger } from '../runtime/logger.ts';
import { maskUrl } from '../runtime/mask.ts';

export const UNENCRYPTED_WARNING =
  'Reports travel to another machine without encryption: use grpcs:// or https://, unless the network encrypts them.';

/** Whether reports travel to another machine without TLS. False for anything but a URL, such as stdout. */
export function isUnencrypted(spec: string): boolean {
  const url = URL.parse(spec);
  return (url?.protocol === 'grpc:' || url?.protocol === 'http:') && !isLoopback(stripBrackets(url.hostname));
}

/** Logs a warning where {@link isUnencrypted}. */
export function warnIfUnencrypted(spec: string, logger: Logger): void {
  if (isUnencrypted(spec)) logger.warn({ url: maskUrl(spec) }, UNENCRYPTED_WARNING);
}
