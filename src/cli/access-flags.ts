import type { ClientCredentialsConfig } from '../delivery/client-credentials.ts';
import { parseDatabase } from '../delivery/open-sink.ts';
import { parseText } from './values.ts';

/** Where reports go. */
export const DATABASE_FLAG = {
  placeholder: 'SPEC',
  default: 'stdout',
  help: 'Where the report goes; --print-databases lists the forms.',
  parse: (spec: string) => {
    parseDatabase(spec);
    return spec;
  },
};

/** What it takes to trust a collector, and to be trusted by it: of every command that talks to one. */
export const ACCESS_FLAGS = {
  'ca-file': {
    placeholder: 'FILE',
    help: "The CAs that the collector's certificate is checked against, as PEM (default: the system's).",
    parse: parseText,
  },
  'cert-file': {
    placeholder: 'FILE',
    help: 'The certificate to show the collector, with its chain, as PEM; with --key-file.',
    parse: parseText,
  },
  'key-file': { placeholder: 'FILE', help: 'The key of --cert-file, as PEM.', parse: parseText },
  'token-file': {
    placeholder: 'FILE',
    help: 'A bearer token for the collector, read anew for each delivery; sent over TLS only, or to this machine itself.',
    parse: parseText,
  },
};

type AccessFlag = 'ca-file' | 'cert-file' | 'key-file' | 'token-file';

/** The flags of certificates and token, where they are given. */
export function pickAccess(values: Partial<Readonly<Record<AccessFlag, string | undefined>>>): ClientCredentialsConfig {
  const { 'ca-file': caFile, 'cert-file': certFile, 'key-file': keyFile, 'token-file': tokenFile } = values;
  return { caFile, certFile, keyFile, tokenFile };
}
