import path from 'node:path';
import type { ClientCredentialsConfig } from '../delivery/client-credentials.ts';
import type { KubernetesConfig } from '../kubernetes/client.ts';
import { SERVICE_ACCOUNT_DIR } from '../kubernetes/in-cluster.ts';
import type { PolicyRule } from '../report/cluster-role.ts';
import { NODE_PATHS } from '../report/decoded-paths.ts';
import type { FieldSelection } from '../report/field-selection.ts';
import type { Read, Reads } from '../report/fields-page.ts';
import type { GatherConfig } from './gather/gather.ts';
import { KEY_FILE } from './gather/id-key-file.ts';
import { needsKey } from './gather/id-key.ts';
import { listRequiredRules, listSecretRules } from './gather/rbac-rules.ts';

export interface ReadsConfig extends GatherConfig, KubernetesConfig, ClientCredentialsConfig {
  readonly serviceAccountDir?: string;
}

/** Lists everything that a volunteer with these flags reads, beside what Node.js and the operating system need to run it. */
export function listReads(config: ReadsConfig, selection: FieldSelection): Reads {
  const secretRules = listSecretRules(config, selection);
  const requests = [
    ...listRequiredRules(config, selection).map(describeRule),
    ...secretRules.flatMap((rule) => describeSecret(rule)),
  ];
  if (requests.length > 0)
    requests.push({ name: 'GET /readyz', about: 'Only its status, after a response of 401 or 403. Needs no rule.' });
  return { requests, files: listFiles(config, selection, secretRules.length > 0) };
}

function describeRule(rule: PolicyRule): Read {
  if ('nonResourceURLs' in rule)
    return { name: `GET ${rule.nonResourceURLs.join(', ')}`, about: 'The field gitVersion of the response.' };
  const { apiGroups, resources, resourceNames = [] } = rule;
  const [group] = apiGroups;
  const target = [group === '' ? '/api/v1' : `/apis/${group}/v1`, ...resources, ...resourceNames].join('/');
  if (resourceNames.length > 0)
    return { name: `GET ${target}`, about: 'The metadata alone. The UID is the key of identifiers, and is not sent.' };
  if (resources[0] === 'nodes')
    return {
      name: `GET ${target}`,
      about: `In pages. Whole nodes come, because Kubernetes grants no parts of them; decoded are ${NODE_PATHS.join(', ')}.`,
    };
  return {
    name: `GET ${target}`,
    about: 'In pages. The metadata alone comes: name, namespace, UID and creation time. Counted, and not sent.',
  };
}

function describeSecret(rule: PolicyRule): readonly Read[] {
  const [secret = ''] = 'resourceNames' in rule ? (rule.resourceNames ?? []) : [];
  const secrets = '/api/v1/namespaces/NAMESPACE/secrets';
  return [
    {
      name: `GET ${secrets}/${secret}`,
      about: 'In a pod: the key of identifiers, in the entry id-key, which is not sent.',
    },
    { name: `PUT ${secrets}/${secret}`, about: 'Writes the key to the Secret, once, where it is empty.' },
    { name: `POST ${secrets}`, about: 'Creates the Secret where there is none; the Role does not permit it.' },
  ];
}

function listFiles(config: ReadsConfig, selection: FieldSelection, usesSecret: boolean): readonly Read[] {
  const { extensions, extensionsRecursive, idKey, idKeyFile, spoolDir, database } = config;
  const isRandomKey = needsKey(config, selection) && idKeyFile === undefined && idKey !== 'kube-system';
  const files: (Read | false)[] = [
    ...listKubernetesFiles(config),
    extensions !== undefined &&
      selection.has('extensions[]') && {
        name: extensions,
        about: `--extensions: the file, or the files of the directory${extensionsRecursive === true ? ' and of those in it' : ''}. Keys and values are sent as they are.`,
      },
    idKeyFile !== undefined &&
      needsKey(config, selection) && {
        name: idKeyFile,
        about: '--id-key-file: the key of identifiers, which is not sent.',
      },
    spoolDir !== undefined && {
      name: path.join(spoolDir, '*.report'),
      about: '--spool-dir: reports that are not stored yet. Also written and deleted there.',
    },
    spoolDir !== undefined &&
      isRandomKey && {
        name: path.join(spoolDir, KEY_FILE),
        about: `The key of identifiers, which is not sent${usesSecret ? '; only where the Secret has none' : ''}. Written once.`,
      },
    ...(database === undefined || database.transport === 'stdout' ? [] : listCredentialFiles(config)),
  ];
  return files.filter((file) => file !== false);
}

function listKubernetesFiles({ kubeconfig, context, serviceAccountDir = SERVICE_ACCOUNT_DIR }: ReadsConfig): Read[] {
  const about = 'the kubeconfig, and the files that it names. A program that it names for credentials is run.';
  if (kubeconfig !== undefined) return [{ name: kubeconfig, about: `--kubeconfig: ${about}` }];
  const standard = { name: '$KUBECONFIG, or ~/.kube/config', about: `Not in a pod: ${about}` };
  if (context !== undefined) return [{ ...standard, about: `--context: ${about}` }];
  return [
    ...['token', 'ca.crt', 'namespace'].map((name) => ({
      name: path.join(serviceAccountDir, name),
      about: "In a pod: the token of its service account, the API server's CA, the namespace.",
    })),
    standard,
  ];
}

function listCredentialFiles({ caFile, certFile, keyFile, tokenFile }: ReadsConfig): readonly (Read | false)[] {
  return [
    caFile !== undefined && { name: caFile, about: "--ca-file: the CAs of the collector's certificate." },
    certFile !== undefined && {
      name: certFile,
      about: '--cert-file: the client certificate, which the collector gets.',
    },
    keyFile !== undefined && { name: keyFile, about: '--key-file: its private key, which is not sent.' },
    tokenFile !== undefined && { name: tokenFile, about: '--token-file: the token, which is sent in each request.' },
  ];
}
