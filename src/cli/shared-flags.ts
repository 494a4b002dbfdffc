import { parseDatabase } from '../delivery/open-sink.ts';
import { DEFAULT_RATE } from '../kubernetes/client.ts';
import { SERVICE_ACCOUNT_DIR } from '../kubernetes/in-cluster.ts';
import { CURRENT_SCHEMA_VERSION, DEFAULT_AGREED_VERSION, parseSchemaVersion } from '../report/schema-version.ts';
import { group } from './flags.ts';
import { DIRECTORY, FILE, parseChoice, parseCount, parseShortText, parseText, SWITCH } from './values.ts';

export const DATABASE_FLAG = {
  name: 'database',
  placeholder: 'SPEC',
  default: 'stdout',
  help: 'Send reports to this destination; stdout prints them. --print-databases lists the supported forms.',
  parse: parseDatabase,
};

export const CREDENTIALS_FLAGS = group('TLS and authentication', {
  caFile: {
    name: 'ca-file',
    ...FILE,
    help: "PEM file with the CAs that verify the collector's certificate. By default, those of Mozilla, which Node.js contains, and those in $NODE_EXTRA_CA_CERTS.",
  },
  certFile: {
    name: 'cert-file',
    ...FILE,
    help: 'PEM file with the client certificate and its chain. Requires --key-file.',
  },
  keyFile: { name: 'key-file', ...FILE, help: 'PEM file with the private key of --cert-file.' },
  tokenFile: {
    name: 'token-file',
    ...FILE,
    help: 'File with a bearer token for the collector, read again for each delivery. Sent only over TLS or to a loopback address.',
  },
});

export const KUBERNETES_FLAGS = group('Kubernetes', {
  kubeconfig: {
    name: 'kubeconfig',
    ...FILE,
    help: "Use this kubeconfig. By default, use the pod's service account, the files in $KUBECONFIG, or ~/.kube/config.",
  },
  context: {
    name: 'context',
    placeholder: 'NAME',
    help: 'Use this context of the kubeconfig instead of the current one.',
    parse: parseText,
  },
  kubeQps: {
    name: 'kube-qps',
    placeholder: 'NUMBER',
    default: String(DEFAULT_RATE.qps),
    help: 'Maximum number of requests per second to the Kubernetes API of this cluster, in the long run.',
    parse: (text: string) => parseCount(text, 1),
  },
  kubeBurst: {
    name: 'kube-burst',
    placeholder: 'NUMBER',
    default: String(DEFAULT_RATE.burst),
    help: 'Maximum number of requests to the Kubernetes API of this cluster at once, after a pause.',
    parse: (text: string) => parseCount(text, 1),
  },
  serviceAccountDir: {
    name: 'service-account-dir',
    ...DIRECTORY,
    default: SERVICE_ACCOUNT_DIR,
    help: "Directory where the pod's service account is mounted.",
  },
});

/** RECORD_DIR and the default are those of Kubermatic's own agents. */
export const RECORD_DIR_FLAG = {
  name: 'record-dir',
  ...DIRECTORY,
  variables: ['SPARTAKUS_RECORD_DIR', 'RECORD_DIR'],
  default: '/records/',
  help: 'Directory for records: agents write them, the reporter sends them.',
};

/** The secret key of identifiers, and the scope in which they are the same. */
export const ID_KEY_FLAGS = {
  idKey: {
    name: 'id-key',
    placeholder: 'random|kube-system',
    default: 'random',
    help: 'Derive identifiers from this key: a random one, or the UID of the kube-system namespace. Other systems know that UID, so with it identifiers can be guessed.',
    parse: (text: string) => parseChoice(text, ['random', 'kube-system'] as const),
  },
  idKeyFile: {
    name: 'id-key-file',
    ...FILE,
    help: 'File with the secret key for identifiers, at least 16 bytes. By default, a random key is made once, and kept in the Secret of --id-secret.',
  },
  idSecret: {
    name: 'id-secret',
    placeholder: 'NAME',
    help: "Keep the key in this Secret of the pod's own namespace. An empty one is filled; one that does not exist is created if that is permitted. Deleting it makes all identifiers new.",
    parse: (text: string) => {
      // The names of Secrets (RFC 1123 subdomains), which become part of a path of requests.
      if (/^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(text)) return text;
      throw new Error(
        `${JSON.stringify(text)} is not the name of a Secret: use lower case letters and digits, with single "." and any "-" between them`,
      );
    },
  },
  idScope: { name: 'id-scope', placeholder: 'TEXT', parse: parseShortText },
};

/** The consent of the administrator. */
export const AGREE_FLAG = {
  name: 'agree',
  placeholder: 'NUMBER',
  default: String(DEFAULT_AGREED_VERSION),
  help: 'Send no field, and no field whose anonymization changed, that is newer than this version of the schema. An upgrade does not change the default: spartakus volunteer explain --diff NUMBER describes what is newer.',
  parse: (text: string) => {
    const version = parseSchemaVersion(text);
    if (version !== undefined && version <= CURRENT_SCHEMA_VERSION) return version;
    throw new Error(
      `${JSON.stringify(text)} is not a version of the schema of this release: use 1 to ${CURRENT_SCHEMA_VERSION}`,
    );
  },
};

export function validateIdKey(values: { readonly idKey?: string; readonly idKeyFile?: string }): readonly string[] {
  return values.idKey === 'kube-system' && values.idKeyFile !== undefined
    ? ['--id-key kube-system and --id-key-file name two keys: remove one']
    : [];
}

/** How exactly the capacity of nodes is sent. */
export const EXACT_QUANTITIES_FLAG = {
  name: 'exact-quantities',
  ...SWITCH,
  help: 'Send all digits of memory and storage. By default, two significant digits: exact amounts can tell machines apart.',
};
