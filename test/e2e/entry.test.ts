import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { withFiles } from '../support/files.ts';
import { type KubeApi, openServiceAccount, type ServiceAccount, startKubeApi } from '../support/kube-api.ts';
import { runProgram, SOURCES, startProgram } from '../support/program.ts';

const fixture = (name: string): string => path.join(import.meta.dirname, '../fixtures/tls', name);

let api: KubeApi;
let account: ServiceAccount;

beforeAll(async () => {
  [api, account] = await Promise.all([startKubeApi(), openServiceAccount()]);
});

afterAll(() => Promise.all([api.close(), account.close()]));

const volunteer = (...args: string[]) =>
  runProgram(
    [
      'volunteer',
      '--cluster-id=2f9c93d3-156c-47aa-8802-578ffca9b50e',
      '--period=0',
      '--timeout=10s',
      `--service-account-dir=${account.dir}`,
      ...args,
    ],
    { ...api.env },
  );

test.each(['grpcs', 'https'])(
  'over %s a volunteer needs both a certificate and a token to be authenticated',
  async (scheme) => {
    await withFiles(
      { tokens: '# the volunteers\nright-secret\n', right: 'right-secret\n', wrong: 'wrong-secret' },
      async (dir) => {
        const collector = startProgram([
          'collector',
          '--port=0',
          '--console-listen=off',
          '--host=127.0.0.1',
          '--database=stdout',
          `--tls-cert=${fixture('server.crt')}`,
          `--tls-key=${fixture('server.key')}`,
          `--tls-client-ca=${fixture('ca.crt')}`,
          `--ingest-tokens-file=${dir}/tokens`,
        ]);
        const [, host = ''] = await collector.says(/"url":"https:\/\/([^"]+)"/);
        const collectorFlags = [`--database=${scheme}://${host}`, `--ca-file=${fixture('ca.crt')}`];
        const certificate = [`--cert-file=${fixture('client.crt')}`, `--key-file=${fixture('client.key')}`];

        const [accepted, withoutToken, withWrongToken, withoutCertificate] = await Promise.all([
          volunteer(...collectorFlags, ...certificate, `--token-file=${dir}/right`),
          volunteer(...collectorFlags, ...certificate),
          volunteer(...collectorFlags, ...certificate, `--token-file=${dir}/wrong`),
          volunteer(...collectorFlags, `--token-file=${dir}/right`, '--timeout=1s'),
        ]);
        collector.process.kill('SIGTERM');
        const { stdout, stderr } = await collector.ended;

        expect(accepted).toMatchObject({ code: 0, stderr: expect.stringContaining('The report is stored.') as string });
        expect(withoutToken).toMatchObject({
          code: 1,
          stderr: expect.stringContaining('bearer token is required') as string,
        });
        expect(withWrongToken).toMatchObject({
          code: 1,
          stderr: expect.stringContaining('bearer token is unknown') as string,
        });
        expect(withoutCertificate.code).toBe(1);
        expect(
          stdout
            .trimEnd()
            .split('\n')
            .map((line) => (JSON.parse(line) as { clusterID: string }).clusterID),
        ).toStrictEqual(['2f9c93d3-156c-47aa-8802-578ffca9b50e']);
        for (const said of [
          stderr,
          accepted.stderr,
          withoutToken.stderr,
          withWrongToken.stderr,
          withoutCertificate.stderr,
        ])
          expect(said).not.toMatch(/right-secret|wrong-secret/);
      },
    );
  },
);

test('on a Node.js that is too old, the program prints one line and exits with 1', async () => {
  const pretend = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.20.2' } })`;
  const program = startProgram(['--version'], {}, [
    `--import=data:text/javascript,${encodeURIComponent(pretend)}`,
    SOURCES,
  ]);

  await expect(program.ended).resolves.toStrictEqual({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(
      /^spartakus needs Node\.js \S+ or newer, and this is Node\.js 20\.20\.2: [^\n]+\n$/,
    ) as string,
  });
});

test('SIGTERM while the program is being loaded ends it', async () => {
  // As PID 1 of a container, it would not receive the signal without a handler.
  const hook = `
    import { registerHooks } from 'node:module';
    const load = (url, context, next) => {
      if (url.endsWith('/cli/program.ts')) process.kill(process.pid, 'SIGTERM');
      return next(url, context);
    };
    registerHooks({ load });`;
  const { code, stderr } = await startProgram(
    ['collector', '--port=0', '--console-listen=off', '--database=stdout'],
    {},
    ['--import', `data:text/javascript,${encodeURIComponent(hook)}`, SOURCES],
  ).ended;
  expect({ code, stderr }).toStrictEqual({ code: 0, stderr: expect.stringContaining('has stopped') as string });
});
