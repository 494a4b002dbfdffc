import { readFileSync } from 'node:fs';
import path from 'node:path';
import vm from 'node:vm';
import { beforeAll, describe, expect, test } from 'vitest';
import { listPodProblems, listReferenceProblems } from '../support/manifest-rules.ts';
import { listSchemaProblems } from '../support/manifest-schemas.ts';
import {
  at,
  containersOf,
  findManifest,
  hasKubectl,
  type Manifest,
  renderKustomization,
} from '../support/manifests.ts';
import { listNetworkProblems, permitsConnection, workloadNamed } from '../support/network.ts';
import { DEPLOY } from '../support/overlay.ts';

const BASE = path.join(DEPLOY, 'mongodb/base');
const labelsOf = (component: string) => ({
  labels: { 'app.kubernetes.io/name': 'spartakus', 'app.kubernetes.io/component': component },
});

describe.runIf(hasKubectl)('the manifests of MongoDB', () => {
  let manifests: readonly Manifest[];
  beforeAll(async () => (manifests = await renderKustomization(BASE)));

  test('follow the schemas and rules', async () => {
    await expect(listSchemaProblems(manifests)).resolves.toStrictEqual([]);
    await expect(listPodProblems(manifests)).resolves.toStrictEqual([]);
    expect(listReferenceProblems(manifests)).toStrictEqual([]);
    expect(listNetworkProblems(manifests)).toStrictEqual([]);
    expect(manifests.filter(({ kind }) => kind === 'Secret')).toStrictEqual([]);
    expect(manifests.filter(({ metadata }) => metadata.namespace !== 'spartakus')).toStrictEqual([]);
  });

  test('make three members that find each other before they are ready', () => {
    const { spec } = findManifest(manifests, 'StatefulSet');
    const service = findManifest(manifests, 'Service', String(at(spec, 'serviceName')));

    expect(spec).toMatchObject({ replicas: 3, podManagementPolicy: 'Parallel' });
    expect(service.spec).toMatchObject({ clusterIP: 'None', publishNotReadyAddresses: true });
    expect(at(findManifest(manifests, 'PodDisruptionBudget').spec, 'maxUnavailable')).toBe(1);
  });

  test('let members, collectors and the Job connect, and nobody else', () => {
    const reaches = (from: string): boolean => permitsConnection(manifests, labelsOf(from), labelsOf('mongodb'), 27017);

    expect(['mongodb', 'collector', 'mongodb-init', 'volunteer'].map(reaches)).toStrictEqual([true, true, true, false]);
    expect(permitsConnection(manifests, { namespace: 'elsewhere' }, labelsOf('mongodb'), 27017)).toBe(false);
    expect(permitsConnection(manifests, labelsOf('mongodb'), { namespace: 'elsewhere' }, 443)).toBe(false);
  });

  test('give mongod a keyfile that only it can read', () => {
    const { pod } = workloadNamed(manifests, 'spartakus-mongodb');
    const [copy, mongod] = containersOf(pod);

    expect(copy?.command).toContain('--mode=0400');
    expect(mongod?.args).toContain(`--keyFile=${copy?.command?.at(-1)}`);
    expect(mongod?.volumeMounts?.map(({ name }) => name)).not.toContain('secret');
  });

  test('mount what the script reads', () => {
    const { pod } = workloadNamed(manifests, 'spartakus-mongodb-init');
    const mounts = pod.containers[0]?.volumeMounts?.map(({ mountPath }) => mountPath);
    const users = pod.volumes?.find(({ name }) => name === 'users');
    const items = at(users, 'secret', 'items') as readonly { readonly path: string }[];

    expect(mounts).toStrictEqual(['/etc/mongodb/init', '/etc/mongodb/secret', '/etc/mongodb/users']);
    expect(items.map((item) => `users/${item.path}`)).toStrictEqual(
      Object.keys(FILES).filter((file) => file.startsWith('users/')),
    );
  });
});

const FILES: Readonly<Record<string, string>> = {
  'secret/keyfile': 'a2V5\nZmlsZQ==',
  'users/collector': 'password-1',
  'users/init': 'password-2',
  'users/backup': 'password-3',
};
const HOSTS = [0, 1, 2].map((index) => `spartakus-mongodb-${index}.spartakus-mongodb.telemetry.svc:27017`);

interface Servers {
  /** The members that belong to a set. */
  readonly initiated: Set<string>;
  /** How many of the next connections fail. */
  failures: number;
  readonly users: Map<string, { readonly pwd: string; readonly roles: unknown }>;
  readonly initiations: unknown[];
  readonly uris: string[];
}

const createServers = (...initiated: string[]): Servers => ({
  initiated: new Set(initiated),
  failures: 0,
  users: new Map(),
  initiations: [],
  uris: [],
});

/** Runs the script with what it uses of mongosh. Its calls return at once here; in mongosh they wait. */
function runScript(servers: Servers, files = FILES): string {
  let nowMs = 0;
  let output = '';
  class Mongo {
    readonly #hosts: readonly string[];

    constructor(uri: string) {
      servers.uris.push(uri);
      if (servers.failures > 0) {
        servers.failures -= 1;
        throw new Error('connection refused');
      }
      this.#hosts = (/@([^/]+)/.exec(uri)?.[1] ?? '').split(',');
    }

    getDB() {
      return {
        hello: () => ({ isWritablePrimary: this.#hosts.every((host) => servers.initiated.has(host)) }),
        getUser: (user: string) => servers.users.get(user) ?? null,
        createUser: ({ user, pwd, roles }: { user: string; pwd: string; roles: unknown }) => {
          if (servers.users.has(user)) throw new Error('it exists');
          servers.users.set(user, structuredClone({ pwd, roles }));
        },
        updateUser: (user: string, { pwd, roles }: { pwd: string; roles: unknown }) =>
          servers.users.set(user, structuredClone({ pwd, roles })),
        runCommand: (command: Readonly<Record<string, unknown>>) => {
          if ('replSetInitiate' in command) {
            servers.initiations.push(structuredClone(command['replSetInitiate']));
            for (const host of HOSTS) servers.initiated.add(host);
          } else if (!this.#hosts.every((host) => servers.initiated.has(host))) {
            throw Object.assign(new Error('no replset config has been received'), { code: 94 });
          }
          return { ok: 1 };
        },
      };
    }
  }
  const readFile = (file: string): string => files[file.replace('/etc/mongodb/', '')] ?? '';
  vm.runInNewContext(readFileSync(path.join(BASE, 'init.js'), 'utf8'), {
    require: () => ({ readFileSync: readFile }),
    process: { env: { POD_NAMESPACE: 'telemetry' } },
    Date: { now: () => nowMs },
    sleep: (ms: number) => (nowMs += ms),
    print: (text: string) => (output += `${text}\n`),
    encodeURIComponent,
    Mongo,
  });
  return output;
}

describe('the script that initiates MongoDB', () => {
  test('initiates the set once, and creates users who may only do their work', () => {
    const servers = createServers();
    servers.failures = 3;
    const first = runScript(servers);
    const second = runScript(servers, { ...FILES, 'users/collector': 'a new password' });

    expect(servers.initiations).toStrictEqual([
      { _id: 'spartakus', members: HOSTS.map((host, index) => ({ _id: index, host })) },
    ]);
    expect(first).toContain('connection refused; trying again');
    expect(first).toContain('initiated the replica set');
    expect(second).toContain('the replica set spartakus exists');
    expect(second).toContain('updated the user collector');
    expect(Object.fromEntries(servers.users)).toStrictEqual({
      collector: { pwd: 'a new password', roles: [{ role: 'readWrite', db: 'spartakus' }] },
      init: {
        pwd: 'password-2',
        roles: [
          { role: 'readWrite', db: 'spartakus' },
          { role: 'dbAdmin', db: 'spartakus' },
        ],
      },
      backup: { pwd: 'password-3', roles: [{ role: 'backup', db: 'admin' }] },
    });
    expect(first + second).not.toMatch(/password|a2V5/);
  });

  test('authenticates as a member', () => {
    const servers = createServers();
    runScript(servers);

    expect(servers.uris.at(0)).toBe(
      `mongodb://__system:a2V5ZmlsZQ%3D%3D@${HOSTS[0]}/?authSource=local&authMechanism=SCRAM-SHA-256` +
        '&serverSelectionTimeoutMS=10000&directConnection=true',
    );
    expect(servers.uris.at(-1)).toContain(`@${HOSTS.join(',')}/`);
    expect(servers.uris.at(-1)).toMatch(/&replicaSet=spartakus$/);
  });

  test('does not make a second set of a member that lost its volume', () => {
    const servers = createServers(...HOSTS.slice(1));

    expect(() => runScript(servers)).toThrow('there is none yet');
    expect(servers.initiations).toStrictEqual([]);
  });

  test('gives up after ten minutes, and names a missing password at once', () => {
    const servers = createServers();
    servers.failures = Infinity;

    expect(() => runScript(servers)).toThrow('connection refused');
    expect(servers.uris).toHaveLength(121);
    expect(() => runScript(createServers(), { ...FILES, 'users/init': ' ' })).toThrow(
      'the Secret spartakus-mongodb-users has no password for init',
    );
  });
});
