import { parseDatabase } from '../delivery/open-sink.ts';
import { SERVICE_ACCOUNT_DIR } from '../kubernetes/in-cluster.ts';
import { group } from './flags.ts';
import { checkedBy, DIRECTORY, FILE, parseText, SWITCH } from './values.ts';

export const DATABASE_FLAG = {
  name: 'database',
  placeholder: 'SPEC',
  default: 'stdout',
  help: 'Send reports to this destination; stdout prints them. --print-databases lists the supported forms.',
  parse: checkedBy(parseDatabase),
};

export const CREDENTIALS_FLAGS = group('TLS and authentication', {
  caFile: {
    name: 'ca-file',
    ...FILE,
    help: "PEM file with the CAs that verify the collector's certificate. By default, the CAs of the system.",
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

export const ID_KEY_FLAG = {
  name: 'id-key-file',
  ...FILE,
  help: 'File with the secret key for identifiers, at least 16 bytes. By default, the UID of the kube-system namespace.',
};

/** How exactly the capacity of nodes is sent. */
export const EXACT_QUANTITIES_FLAG = {
  name: 'exact-quantities',
  ...SWITCH,
  help: 'Send all digits of memory and storage. By default, two significant digits: exact amounts can tell machines apart.',
};
