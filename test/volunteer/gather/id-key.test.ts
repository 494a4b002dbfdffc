import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openKubernetesClient } from '../../../src/kubernetes/client.ts';
import { createIdKeyReader, type IdKeyConfig } from '../../../src/volunteer/gather/id-key.ts';
import { failureOf } from '../../support/failure.ts';
import { withFiles } from '../../support/files.ts';
import {
  KUBE_SYSTEM_UID,
  type KubeApi,
  type KubeApiOptions,
  openServiceAccount,
  type ServiceAccount,
  startKubeApi,
} from '../../support/kube-api.ts';
import { createKeptLog } from '../../support/log.ts';

const SECRETS = '/api/v1/namespaces/kubermatic/secrets';
const SECRET = `${SECRETS}/spartakus-volunteer`;
const RUN_KEY = /a key of this run only: after a restart, all identifiers are new/;
const closers: (() => void | Promise<void>)[] = [];
let account: ServiceAccount;
let log: ReturnType<typeof createKeptLog>;
let api: KubeApi;

beforeEach(async () => {
  account = await openServiceAccount();
  closers.push(() => account.close());
  log = createKeptLog();
});

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function startApi(options: KubeApiOptions = {}): Promise<void> {
  api = await startKubeApi(options);
  closers.push(() => api.close());
}

/** The reader of a volunteer that has just started, in a pod. */
async function start(config: IdKeyConfig, firstByte = 1, serviceAccountDir = account.dir) {
  const kube = await openKubernetesClient({}, { env: api.env, serviceAccountDir });
  closers.push(() => kube.close());
  let next = firstByte;
  const randomBytes = (length: number) => new Uint8Array(length).fill(next++);
  const read = createIdKeyReader(config, { kube, randomBytes, logger: log.logger });
  return async () => Buffer.from(await read()).toString();
}

const requests = () => api.requests.map(({ method, target }) => `${method} ${target}`);
const hex = (byte: number) => byte.toString(16).padStart(2, '0').repeat(32);
const config = { idSecret: 'spartakus-volunteer' };

describe('in a pod', () => {
  test('the key is created once, and kept in a Secret of the own namespace', async () => {
    const secrets = new Map<string, unknown>();
    await startApi({ secrets });

    const read = await start(config);
    const keys = [await read(), await read(), await (await start(config, 9))()];

    expect(keys).toStrictEqual([hex(1), hex(1), hex(1)]);
    expect(requests()).toStrictEqual([`GET ${SECRET}`, `POST ${SECRETS}`, `GET ${SECRET}`]);
    expect(secrets.get(SECRET)).toStrictEqual({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'spartakus-volunteer' },
      type: 'Opaque',
      immutable: true,
      data: { 'id-key': Buffer.from(hex(1)).toString('base64') },
    });
    expect(log.messages('warn', 'error')).toStrictEqual([]);
    expect(JSON.stringify(log.lines)).not.toContain(hex(1));
  });

  test('a key that was kept in --spool-dir moves into the Secret, once that may be created', async () => {
    await withFiles({}, async (spoolDir) => {
      const secrets = new Map<string, unknown>();
      await startApi({ secrets });
      const kept = await (await start({ spoolDir }))();

      const moved = await (await start({ ...config, spoolDir }, 9))();

      expect([kept, moved]).toStrictEqual([hex(1), hex(1)]);
      expect(secrets.get(SECRET)).toMatchObject({ data: { 'id-key': Buffer.from(hex(1)).toString('base64') } });
    });
  });

  test('two volunteers that create the Secret at the same time have the same key', async () => {
    await startApi();

    const readers = await Promise.all([start(config, 1), start(config, 101)]);
    const keys = await Promise.all(readers.map((read) => read()));

    expect(keys[0]).toMatch(/^(01){32}$|^(65){32}$/);
    expect(keys[1]).toBe(keys[0]);
  });

  test('a repeated request whose first response was lost reads what was created', async () => {
    const secrets = new Map<string, unknown>([
      [SECRET, { data: { 'id-key': Buffer.from(hex(7)).toString('base64') } }],
    ]);
    await startApi({ secrets, responses: {} });
    const kube = await openKubernetesClient({}, { env: api.env, serviceAccountDir: account.dir });
    closers.push(() => kube.close());
    let first = true;
    const get: typeof kube.get = async (target, accept) => {
      const response = await kube.get(target, accept);
      if (!first) return response;
      first = false;
      return { ...response, status: 404 };
    };

    const read = createIdKeyReader(config, {
      kube: { ...kube, get },
      randomBytes: (length) => new Uint8Array(length),
      logger: log.logger,
    });

    expect(Buffer.from(await read()).toString()).toBe(hex(7));
  });

  describe('where the administrator created an empty Secret', () => {
    /** As `kubectl create secret generic spartakus-volunteer` makes it. */
    const EMPTY = {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'spartakus-volunteer', resourceVersion: '1', labels: { a: 'b' } },
      type: 'Opaque',
    };
    const entries = { 'id-key': Buffer.from(hex(1)).toString('base64') };

    test('the key is kept in it, without the right to create Secrets', async () => {
      const secrets = new Map<string, unknown>([[SECRET, EMPTY]]);
      await startApi({ secrets, forbidCreation: true });

      const keys = [await (await start(config))(), await (await start(config, 9))()];

      expect(keys).toStrictEqual([hex(1), hex(1)]);
      expect(requests()).toStrictEqual([`GET ${SECRET}`, `PUT ${SECRET}`, `GET ${SECRET}`]);
      const metadata = { ...EMPTY.metadata, resourceVersion: '2' };
      expect(secrets.get(SECRET)).toStrictEqual({ ...EMPTY, metadata, immutable: true, data: entries });
      expect(log.messages('warn', 'error')).toStrictEqual([]);
    });

    test('two volunteers that start at the same time have the same key', async () => {
      const secrets = new Map<string, unknown>([[SECRET, EMPTY]]);
      await startApi({ secrets });

      const readers = await Promise.all([start(config, 1), start(config, 101)]);
      const keys = await Promise.all(readers.map((read) => read()));

      expect(keys[0]).toMatch(/^(01){32}$|^(65){32}$/);
      expect(keys[1]).toBe(keys[0]);
    });

    test('a key that was kept in --spool-dir moves into it', async () => {
      await withFiles({}, async (spoolDir) => {
        const secrets = new Map<string, unknown>([[SECRET, { ...EMPTY, data: {} }]]);
        await startApi({ secrets });
        await (
          await start({ spoolDir })
        )();

        await expect((await start({ ...config, spoolDir }, 9))()).resolves.toBe(hex(1));
        expect(secrets.get(SECRET)).toMatchObject({ data: entries });
      });
    });

    test('a run that keeps no key leaves it empty', async () => {
      const secrets = new Map<string, unknown>([[SECRET, EMPTY]]);
      await startApi({ secrets });
      const kube = await openKubernetesClient({}, { env: api.env, serviceAccountDir: account.dir });
      closers.push(() => kube.close());

      await createIdKeyReader(config, {
        kube,
        randomBytes: (length) => new Uint8Array(length),
        logger: log.logger,
        readOnly: true,
      })();

      expect(requests()).toStrictEqual([`GET ${SECRET}`]);
      expect(log.messages('warn')).toStrictEqual([expect.stringContaining('No key of identifiers is kept yet')]);
    });

    test.each([
      ['that is immutable', { ...EMPTY, immutable: true }],
      ['of another type', { ...EMPTY, type: 'kubernetes.io/tls' }],
      ['with another entry', { ...EMPTY, data: { password: 'eA==' } }],
    ])('one %s is an error, and is not changed', async (_case, secret) => {
      const secrets = new Map<string, unknown>([[SECRET, secret]]);
      await startApi({ secrets });

      await expect(failureOf((await start(config))())).resolves.toMatchObject({
        kind: 'invalid',
        field: '--id-secret',
      });
      expect(requests()).toStrictEqual([`GET ${SECRET}`]);
    });

    test('without the right to update it, the key is that of the run, and the log names the Role', async () => {
      await startApi({ secrets: new Map<string, unknown>([[SECRET, EMPTY]]), forbidUpdate: true });

      await expect((await start(config))()).resolves.toMatch(/^(02){32}$/);
      expect(log.messages('warn')[0]).toContain('not permitted to update it. Apply the Role and the Secret that');
    });
  });

  test('after the Secret is deleted, a restarted volunteer has a new key', async () => {
    const secrets = new Map<string, unknown>();
    await startApi({ secrets });
    const read = await start(config);
    const before = await read();
    secrets.delete(SECRET);

    expect([before, await read(), await (await start(config, 9))()]).toStrictEqual([hex(1), hex(1), hex(9)]);
  });

  test.each([
    ['get', { forbidden: [SECRET] }],
    ['create', { forbidCreation: true }],
  ])(
    'without the right to %s the Secret, the key is in --spool-dir, and the log names the Role',
    async (verb, over) => {
      await startApi(over);
      await withFiles({}, async (dir) => {
        const keys = [
          await (await start({ ...config, spoolDir: dir }))(),
          await (await start({ ...config, spoolDir: dir }, 9))(),
        ];

        expect(keys).toStrictEqual([hex(1).replaceAll('01', verb === 'get' ? '01' : '02'), keys[0]]);
      });
      expect(log.messages('warn')[0]).toContain(
        `not permitted to ${verb} it. Apply the Role and the Secret that "spartakus volunteer explain`,
      );
    },
  );

  test('without any place, the key is that of the run, with one warning', async () => {
    await startApi({ forbidden: [SECRET] });

    const read = await start(config);
    const keys = [await read(), await read(), await (await start(config, 9))()];

    expect(keys).toStrictEqual([hex(1), hex(1), hex(9)]);
    expect(log.messages('warn').filter((message) => RUN_KEY.test(message))).toHaveLength(2);
  });

  test('without a mounted namespace, no Secret is used', async () => {
    await startApi();
    const own = await openServiceAccount('test-token', 'tls/ca.crt', '');
    closers.push(() => own.close());

    await (
      await start(config, 1, own.dir)
    )();

    expect(requests()).toStrictEqual([]);
    expect(log.messages('warn')).toStrictEqual([expect.stringMatching(RUN_KEY)]);
  });

  test.each([
    ['no entry', {}],
    ['a short entry', { 'id-key': 'c2hvcnQ=' }],
  ])('a Secret with %s is an error, and is not replaced', async (_what, data) => {
    const secrets = new Map<string, unknown>([[SECRET, { data }]]);
    await startApi({ secrets });

    const error = await failureOf((await start(config))());

    expect(error).toMatchObject({ kind: 'invalid', field: '--id-secret' });
    expect(requests()).toStrictEqual([`GET ${SECRET}`]);
  });

  test('an API server that does not respond properly is an error, and no other key is used', async () => {
    const response = { status: 400, contentType: 'application/json', body: '{}' };
    await startApi({ responses: { [SECRET]: response } });

    await withFiles({}, async (dir) => {
      const read = await start({ ...config, spoolDir: dir });

      await expect(failureOf(read())).resolves.toMatchObject({ kind: 'invalid' });
      await expect(readdir(dir)).resolves.toStrictEqual([]);
    });
  });
});

describe('in --spool-dir', () => {
  beforeEach(() => startApi());

  test('the key is created once, readable by its owner only', async () => {
    await withFiles({}, async (dir) => {
      const spoolDir = path.join(dir, 'new', 'spool');
      const keys = [await (await start({ spoolDir }))(), await (await start({ spoolDir }, 9))()];

      expect(keys).toStrictEqual([hex(1), hex(1)]);
      await expect(readdir(spoolDir)).resolves.toStrictEqual(['id-key']);
      expect((await stat(path.join(spoolDir, 'id-key'))).mode & 0o777).toBe(0o600);
      await expect((await start({ idKeyFile: path.join(spoolDir, 'id-key') }))()).resolves.toBe(hex(1));
    });
    expect(requests()).toStrictEqual([]);
    expect(log.lines).toStrictEqual([]);
  });

  test('twenty volunteers in one directory have the same key', async () => {
    await withFiles({}, async (dir) => {
      const readers = await Promise.all(
        Array.from({ length: 20 }, (_, index) => start({ spoolDir: dir }, 10 * index + 1)),
      );
      const keys = await Promise.all(readers.map((read) => read()));

      expect(new Set(keys).size).toBe(1);
      await expect(readdir(dir)).resolves.toStrictEqual(['id-key']);
      await expect(readFile(path.join(dir, 'id-key'), 'utf8')).resolves.toBe(`${keys[0]}\n`);
    });
  });

  test('a file without a key is an error, and is not replaced', async () => {
    await withFiles({ 'id-key': '' }, async (dir) => {
      await expect(failureOf((await start({ spoolDir: dir }))())).resolves.toMatchObject({
        kind: 'invalid',
        message: expect.stringContaining(`${dir}/id-key: holds no key of identifiers. Restore it`) as string,
      });
      await expect(readFile(path.join(dir, 'id-key'), 'utf8')).resolves.toBe('');
    });
  });

  test('where it cannot be written, the key is that of the run', async () => {
    await withFiles({ file: '' }, async (dir) => {
      await expect((await start({ spoolDir: path.join(dir, 'file', 'spool') }))()).resolves.toMatch(/^[0-9a-f]{64}$/);
    });
    expect(log.messages('warn')).toStrictEqual([
      expect.stringContaining('cannot be kept in --spool-dir'),
      expect.stringMatching(RUN_KEY),
    ]);
  });

  test.skipIf(process.getuid?.() === 0)('an unreadable file is an error', async () => {
    await withFiles({}, async (dir) => {
      await mkdir(path.join(dir, 'spool'));
      await writeFile(path.join(dir, 'spool', 'id-key'), hex(1));
      await chmod(path.join(dir, 'spool', 'id-key'), 0);

      await expect(failureOf((await start({ spoolDir: path.join(dir, 'spool') }))())).resolves.toMatchObject({
        kind: 'invalid',
      });
    });
  });
});

describe('by flag', () => {
  test('--id-key-file is the only place, with or without a line break', async () => {
    await startApi();
    await withFiles(
      { key: 'a key of sixteen or more bytes\n', same: 'a key of sixteen or more bytes' },
      async (dir) => {
        const keys = [
          await (await start({ ...config, spoolDir: dir, idKeyFile: `${dir}/key` }))(),
          await (await start({ ...config, spoolDir: dir, idKeyFile: `${dir}/same` }))(),
        ];

        expect(new Set(keys)).toStrictEqual(new Set(['a key of sixteen or more bytes']));
      },
    );
    expect(requests()).toStrictEqual([]);
  });

  test('--id-key=kube-system reads the uid of that namespace alone', async () => {
    await startApi();

    await expect((await start({ ...config, idKey: 'kube-system' }))()).resolves.toBe(KUBE_SYSTEM_UID);
    expect(requests()).toStrictEqual(['GET /api/v1/namespaces/kube-system']);
  });

  test('with --id-key=kube-system an unreadable uid is an error that names the rule, and no other key is used', async () => {
    await startApi({ forbidden: ['/api/v1/namespaces/kube-system'] });

    const error = await failureOf((await start({ ...config, idKey: 'kube-system' }))());

    expect(error.kind).toBe('forbidden');
    expect(error.message).toContain(
      '{apiGroups: [""], resources: [namespaces], resourceNames: [kube-system], verbs: [get]}',
    );
  });
});
