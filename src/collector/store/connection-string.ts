import { SpartakusError } from '../../runtime/errors.ts';

interface Rule {
  readonly isAllowed: (value: string) => boolean;
  readonly problem: string;
}

/** The options of a connection string: https://www.mongodb.com/docs/manual/reference/connection-string-options/ */
export type ConnectionOptions = ReadonlyMap<string, readonly string[]>;

const JOURNAL: Rule = {
  isAllowed: (value) => value === 'true',
  problem: 'a report counts as stored once it is in the journal: remove it, or set journal=true',
};

/** What would break a promise of the collector, and why. Names in lower case, as the driver compares them. */
const RULES: Readonly<Record<string, Rule>> = {
  w: {
    isAllowed: (value) => value === 'majority',
    problem: 'a report counts as stored once a majority of the members has it: remove it, or set w=majority',
  },
  journal: JOURNAL,
  j: JOURNAL,
  fsync: JOURNAL,
  readconcernlevel: {
    isAllowed: (value) => value === 'local' || value === 'majority',
    problem: 'statistics are computed with local or majority: remove it, or set one of these',
  },
  compressors: {
    isAllowed: (value) => value.split(',').every((name) => name === 'zlib' || name === 'none'),
    problem: 'this program has zlib only: remove it, or set compressors=zlib',
  },
  timeoutms: {
    isAllowed: () => false,
    problem: 'it would also end the computation of statistics: remove it, and set --store-timeout',
  },
  maxstalenessseconds: {
    isAllowed: (value) => value === '-1' || Number(value) >= 90,
    problem: 'MongoDB needs 90 seconds or more',
  },
};

/** Names in lower case. A name may appear more than once. */
export function connectionOptionsOf(uri: string): ConnectionOptions {
  const options = new Map<string, string[]>();
  for (const pair of queryOf(uri)) {
    const [name, value] = split(pair);
    options.set(name, [...(options.get(name) ?? []), value]);
  }
  return options;
}

/** Without these options, named in lower case. */
export function withoutConnectionOptions(uri: string, names: readonly string[]): string {
  const pairs = queryOf(uri).filter((pair) => !names.includes(split(pair)[0]));
  const [start = ''] = uri.split('?', 1);
  return pairs.length === 0 ? start : `${start}?${pairs.join('&')}`;
}

/** @throws SpartakusError `invalid` where an option would break what the collector promises; the message contains no other part of the string */
export function rejectUnsafeOptions(options: ConnectionOptions): void {
  for (const [name, { isAllowed, problem }] of Object.entries(RULES)) {
    const value = options.get(name)?.find((each) => !isAllowed(each));
    if (value !== undefined) throw new SpartakusError('invalid', `the option ${name}=${value} is rejected: ${problem}`);
  }
}

function queryOf(uri: string): readonly string[] {
  const at = uri.indexOf('?');
  return at === -1
    ? []
    : uri
        .slice(at + 1)
        .split('&')
        .filter((pair) => pair !== '');
}

function split(pair: string): readonly [string, string] {
  const at = pair.indexOf('=');
  const [name, value] = at === -1 ? [pair, ''] : [pair.slice(0, at), pair.slice(at + 1)];
  return [decode(name).toLowerCase(), decode(value)];
}

/** Decodes a part of a connection string; one with an invalid escape stays as it is. */
export function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // The driver rejects it.
    return text;
  }
}
