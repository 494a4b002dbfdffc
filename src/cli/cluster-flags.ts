import type { KubernetesConfig } from '../kubernetes/client.ts';
import { SERVICE_ACCOUNT_DIR } from '../kubernetes/in-cluster.ts';
import { parseText } from './values.ts';

/** Which cluster is read: of every command that talks to one. */
export const CLUSTER_FLAGS = {
  kubeconfig: {
    placeholder: 'FILE',
    help: "The kubeconfig to use (default: the pod's service account, $KUBECONFIG, ~/.kube/config).",
    parse: parseText,
  },
  context: {
    placeholder: 'NAME',
    help: "The kubeconfig's context to use (default: its current one).",
    parse: parseText,
  },
  'service-account-dir': {
    placeholder: 'DIR',
    default: SERVICE_ACCOUNT_DIR,
    help: "Where the pod's service account is mounted.",
    parse: parseText,
  },
};

/** The kubeconfig and its context, where they are given. */
export function pickKubeConfig({
  kubeconfig,
  context,
}: {
  kubeconfig?: string | undefined;
  context?: string | undefined;
}): KubernetesConfig {
  return { kubeconfig, context };
}
