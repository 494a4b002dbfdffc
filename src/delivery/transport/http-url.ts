import { SpartakusError } from '../../runtime/errors.ts';
import { maskUrl } from '../../runtime/mask.ts';

const API_PATH = '/api/v1';

/** Where reports go: the URL with /api/v1 at its end, once. Throws a SpartakusError `invalid` where it is not an http(s):// URL. */
export function apiUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new SpartakusError(
      'invalid',
      `--database ${maskUrl(text)}: is not a URL, such as https://collector.example.com.`,
      { field: '--database' },
    );
  }
  const path = url.pathname.replace(/\/+$/, '');
  url.pathname = path.endsWith(API_PATH) ? path : path + API_PATH;
  url.hash = '';
  return url;
}
