import { SpartakusError } from '../../runtime/errors.ts';
import { maskUrl } from '../../runtime/mask.ts';

const API_PATH = '/api/v1';

/** Parses an http:// or https:// URL. Throws a SpartakusError `invalid` with the flag and an example otherwise. */
export function parseHttpUrl(text: string, flag: string, example: string): URL {
  const url = URL.parse(text);
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url;
  throw new SpartakusError('invalid', `${flag} ${maskUrl(text)}: is not an http(s):// URL, such as ${example}.`, {
    field: flag,
  });
}

/** The URL of --database with /api/v1 at its end. */
export function apiUrl(text: string): URL {
  const url = parseHttpUrl(text, '--database', 'https://collector.example.com');
  const path = url.pathname.replace(/\/+$/, '');
  url.pathname = path.endsWith(API_PATH) ? path : path + API_PATH;
  url.hash = '';
  return url;
}
