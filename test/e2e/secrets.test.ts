import http from 'node:http';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { collectorCommand } from '../../src/cli/collector.ts';
import { startCollectorProgram } from '../support/collector-program.ts';
import { withFiles } from '../support/files.ts';
import { legacyJson, PROTOCOL_CLIENTS } from '../support/protocols.ts';
import { postLegacy } from '../support/raw-grpc.ts';
import { makeReport } from '../support/reports.ts';
import { runCommand } from '../support/run-command.ts';

const SECRET = 'hunter2-planted';
const fixture = (name: string): string => path.join(import.meta.dirname, '../fixtures/tls', name);
const TLS = [`--tls-cert=${fixture('server.crt')}`, `--tls-key=${fixture('server.key')}`];

// At the same time: one waits for a database, others for the seconds of the log.
describe.concurrent('a start that fails prints no secret', () => {
  test.each<{ readonly what: string; readonly args: readonly string[]; readonly env?: NodeJS.ProcessEnv }>([
    {
      what: 'a password in the environment, for a database that is not reachable',
      args: [],
      env: { SPARTAKUS_DATABASE: `mongodb://u:${SECRET}@127.0.0.1:1/x?serverSelectionTimeoutMS=500` },
    },
    { what: 'a password in an invalid address', args: [`--database=mongodb://u:${SECRET}@[::1/x`] },
    { what: 'a password that is not encoded', args: [`--database=mongodb://u:${SECRET}@/:%@127.0.0.1:1`] },
    {
      what: 'a password beside an unknown option',
      args: [`--database=mongodb://u:${SECRET}@127.0.0.1:1/?noSuchOption=1`],
    },
    { what: 'a password for an unknown kind of database', args: [`--database=oracle://u:${SECRET}@x`] },
    { what: 'a password without its flag', args: [`mongodb://u:${SECRET}@127.0.0.1/x`] },
    {
      what: 'a password for another flag',
      args: [`--console-listen=mongodb://u:${SECRET}@127.0.0.1/x`, `--port=mongodb://u:${SECRET}@127.0.0.1/x`],
    },
    { what: 'a token file with an invalid line', args: ['--ingest-tokens-file=DIR/bad-tokens'] },
    { what: 'a token file of the console with an invalid line', args: ['--console-token-file=DIR/bad-tokens'] },
    { what: 'an invalid key', args: [`--tls-cert=${fixture('server.crt')}`, '--tls-key=DIR/bad-key'] },
    { what: 'an invalid certificate', args: ['--tls-cert=DIR/bad-key', `--tls-key=${fixture('server.key')}`] },
    { what: 'an invalid CA', args: [...TLS, '--tls-client-ca=DIR/bad-ca'] },
  ])('$what', async ({ args, env = {} }) => {
    const files = {
      'bad-tokens': `${SECRET}\n${SECRET} and more\n`,
      'bad-key': `-----BEGIN PRIVATE KEY-----\n${SECRET}\n-----END PRIVATE KEY-----\n`,
      'bad-ca': `-----BEGIN CERTIFICATE-----\n${SECRET}\n-----END CERTIFICATE-----\n`,
    };
    await withFiles(files, async (dir) => {
      const isGiven = (flag: string): boolean =>
        args.some((arg) => arg.startsWith(`--${flag}=`)) || env['SPARTAKUS_DATABASE'] !== undefined;
      const others = [
        '--port=0',
        ...(isGiven('database') ? [] : ['--database=stdout']),
        ...(isGiven('console-listen') ? [] : ['--console-listen=127.0.0.1:0']),
      ];
      const { code, stdout, stderr } = await runCommand(
        collectorCommand,
        [...others, ...args.map((arg) => arg.replace('DIR', dir))],
        env,
      );

      expect(code).toBeGreaterThan(0);
      expect(stderr).toMatch(/^spartakus collector: /);
      expect(stdout + stderr).not.toContain(SECRET);
    });
  });
});

describe.concurrent('the log of a collector that rejects requests', () => {
  /** The address of the clients; the collector listens on 127.0.0.1. */
  const CLIENT_ADDRESS = '127.0.0.2';
  const TOKEN = 'right-token-planted';

  /** Sends requests that are rejected, by every protocol, over more than two seconds of the log. */
  async function sendRejected(
    ...flags: string[]
  ): Promise<{ readonly stderr: string; readonly rejections: number; readonly seconds: number }> {
    let result = { stderr: '', rejections: 0, seconds: 0 };
    await withFiles({ tokens: `${TOKEN}\n` }, async (dir) => {
      const collector = await startCollectorProgram([
        '--database=stdout',
        '--max-address-rate=0',
        `--ingest-tokens-file=${dir}/tokens`,
        ...flags,
      ]);
      const { url } = collector;
      const start = performance.now();
      const agent = new http.Agent({ keepAlive: true, localAddress: CLIENT_ADDRESS, maxSockets: 10 });
      const post = (token: string, body: string): Promise<unknown> =>
        postLegacy(url, agent, body, { authorization: `Bearer ${token}`, 'x-forwarded-for': '192.0.2.77' });
      const report = Object.assign(makeReport(), { clusterId: 'cluster-planted', reportId: 'report-planted' });
      // The first is logged in a line of its own, and the body of its response quotes the path.
      await expect(fetch(`${url}/cluster-planted`)).resolves.toMatchObject({ status: 404 });
      let rejections = 1;
      while (performance.now() - start < 2_200) {
        await Promise.all([
          ...Array.from({ length: 20 }, () => post(SECRET, legacyJson(report))),
          ...Array.from({ length: 20 }, () =>
            post(TOKEN, '{"clusterID": "cluster-planted", "nodes": "cluster-planted"}'),
          ),
          post(TOKEN, '{"reportID": "cluster-planted", "clusterID": "cluster-planted"}'),
        ]);
        rejections += 41;
      }
      for (const { open } of PROTOCOL_CLIENTS) {
        for (const token of [SECRET, TOKEN]) {
          const client = open(url, { token });
          await expect(client.send(report)).resolves.toMatchObject({ outcome: 'rejected' });
          client.close();
          rejections += 1;
        }
      }
      const seconds = (performance.now() - start) / 1_000;
      agent.destroy();
      const { stderr } = await collector.stop();
      result = { stderr, rejections, seconds };
    });
    return result;
  }

  test('contains no address, no cluster id and no token, at most one line a second, and the count of all rejections', async () => {
    const { stderr, rejections, seconds } = await sendRejected();

    expect(stderr).not.toMatch(/planted|127\.0\.0\.2|192\.0\.2\.77/);
    const lines = stderr
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { msg: string; inTheLastSecond?: Record<string, number> });
    const rejected = lines.filter(({ msg }) => msg.startsWith('rejected: '));
    // The first at once, one at the end of each second, and the last at the stop.
    expect(rejected.length).toBeLessThanOrEqual(seconds + 2);
    expect(
      rejected
        .map(({ inTheLastSecond }) =>
          inTheLastSecond === undefined ? 1 : Object.values(inTheLastSecond).reduce((sum, count) => sum + count),
        )
        .reduce((sum, count) => sum + count, 0),
    ).toBe(rejections);
    expect(lines.map(({ msg }) => msg)).toEqual(
      expect.arrayContaining(['The collector listens.', 'The collector is stopping.', 'The collector has stopped.']),
    );
  });

  test('with -v contains the reasons, and no token', async () => {
    const { stderr } = await sendRejected('-v');

    expect(stderr).toMatch(/"reason":/);
    expect(stderr).not.toMatch(/hunter2|right-token/);
  });
});
