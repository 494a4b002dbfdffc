/** The parts of a request target (RFC 9112 section 3.2). */
export interface RequestTarget {
  readonly path: string;
  /** With its question mark; empty where there is none. */
  readonly query: string;
  /** The host and port of the absolute form, which replace those of the Host header. */
  readonly authority?: string;
}

const ABSOLUTE_FORM = /^https?:\/\/([^/?#]+)([^?#]*)/i;

/** Parses `/version`, or `http://host/version`, which clients send to proxies and servers must accept. */
export function parseRequestTarget(target = '/'): RequestTarget {
  const start = target.indexOf('?');
  const [address, query] = start === -1 ? [target, ''] : [target.slice(0, start), target.slice(start)];
  // Nearly all are of the origin form.
  const [, authority, path] = target.startsWith('/') ? [] : (ABSOLUTE_FORM.exec(address) ?? []);
  if (authority === undefined) return { path: address, query };
  return { path: path || '/', query, authority };
}
