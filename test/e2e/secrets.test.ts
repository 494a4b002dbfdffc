import { once } from 'node:events';
import http, { type IncomingMessage } from 'node:http';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { collectorCommand } from '../../src/cli/collector.ts';
import { legacyJson, PROTOCOL_CLIENTS } from '../contract/protocols.ts';
import { makeReport } from '../contract/report-sink.ts';
import { withFiles } from '../support/files.ts';
import { startProgram } from '../support/program.ts';
import { runCommand } from '../support/run-command.ts';

const SECRET = 'hunter2-planted';
const fixture = (name: string): string => path.join(import.meta.dirname, '../fixtures/tls', name);
const TLS = [`--tls-cert=${fixture('server.crt')}`, `--tls-key=${fixture('server.key')}`];

describe('a start that fails does not print what it was trusted with', () => {
  test.each<{ readonly what: string; readonly args: readonly string[]; readonly env?: NodeJS.ProcessEnv }>([
    {
      what: 'a password in the environment, for a database that is not there',
      args: [],
      env: { SPARTAKUS_DATABASE: `mongodb://u:${SECRET}@127.0.0.1:1/x` },
    },
    { what: 'one in an address that cannot be read', args: [`--database=mongodb://u:${SECRET}@[::1/x`] },
    { what: 'one that is not encoded', args: [`--database=mongodb://u:${SECRET}@/:%@127.0.0.1:1`] },
    {
      what: 'one in an option that there is not',
      args: [`--database=mongodb://u:${SECRET}@127.0.0.1:1/?noSuchOption=1`],
    },
    { what: 'one for a kind of database that there is not', args: [`--database=oracle://u:${SECRET}@x`] },
    { what: 'one without its flag', args: [`mongodb://u:${SECRET}@127.0.0.1/x`] },
    {
      what: 'one for another flag',
      args: [`--console-listen=mongodb://u:${SECRET}@127.0.0.1/x`, `--port=mongodb://u:${SECRET}@127.0.0.1/x`],
    },
    { what: 'a token with a line that is none', args: ['--ingest-tokens-file=DIR/bad-tokens'] },
    { what: 'a token of an operator with a line that is none', args: ['--console-token-file=DIR/bad-tokens'] },
    { what: 'a key that cannot be read', args: [`--tls-cert=${fixture('server.crt')}`, '--tls-key=DIR/bad-key'] },
    {
      what: 'a certificate that cannot be read',
      args: ['--tls-cert=DIR/bad-key', `--tls-key=${fixture('server.key')}`],
    },
    { what: 'a CA that cannot be read', args: [...TLS, '--tls-client-ca=DIR/bad-ca'] },
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

describe('the log of a collector that refuses', () => {
  /** Where clients come from; the collector itself listens on 127.0.0.1. */
  const CLIENT_ADDRESS = '127.0.0.2';

  /** Sends what will be refused, over every way in, and says what the collector logged meanwhile, with how long that took. */
  async function refuse(
    ...flags: string[]
  ): Promise<{ readonly stderr: string; readonly refusals: number; readonly seconds: number }> {
    let result = { stderr: '', refusals: 0, seconds: 0 };
    await withFiles({ tokens: 'right-token-planted\n' }, async (dir) => {
      const collector = startProgram([
        'collector',
        '--port=0',
        '--host=127.0.0.1',
        '--console-listen=off',
        '--database=stdout',
        '--max-address-rate=0',
        `--ingest-tokens-file=${dir}/tokens`,
        ...flags,
      ]);
      const [, url = ''] = await collector.says(/"url":"([^"]+)"/);
      const began = performance.now();
      const agent = new http.Agent({ keepAlive: true, localAddress: CLIENT_ADDRESS, maxSockets: 10 });
      const post = async (authorization: string, body: string): Promise<void> => {
        const headers = { 'content-type': 'application/json', authorization, 'x-forwarded-for': '192.0.2.77' };
        const request = http.request(`${url}/api/v1`, { method: 'POST', agent, headers });
        request.end(body);
        const [response] = (await once(request, 'response')) as [IncomingMessage];
        await once(response.resume(), 'end');
      };
      const bad = makeReport();
      bad.clusterId = 'cluster-planted';
      bad.reportId = 'report-planted';
      // The first is the one whose line stands alone, and its answer quotes what was asked for.
      await expect(fetch(`${url}/cluster-planted`)).resolves.toMatchObject({ status: 404 });
      let refusals = 1;
      while (performance.now() - began < 2_200) {
        await Promise.all([
          ...Array.from({ length: 20 }, () => post(`Bearer ${SECRET}`, legacyJson(bad))),
          ...Array.from({ length: 20 }, () =>
            post('Bearer right-token-planted', '{"clusterID": "cluster-planted", "nodes": "cluster-planted"}'),
          ),
          post('Bearer right-token-planted', '{"reportID": "cluster-planted", "clusterID": "cluster-planted"}'),
        ]);
        refusals += 41;
      }
      for (const { open } of PROTOCOL_CLIENTS) {
        for (const token of [SECRET, 'right-token-planted']) {
          const client = open(url, { token });
          await expect(client.send(bad)).resolves.toMatchObject({ outcome: 'rejected' });
          client.close();
          refusals += 1;
        }
      }
      const seconds = (performance.now() - began) / 1_000;
      agent.destroy();
      collector.process.kill('SIGTERM');
      const { stderr } = await collector.ended;
      result = { stderr, refusals, seconds };
    });
    return result;
  }

  test('holds no address, no cluster id and no token, takes a line a second at most, and counts every refusal', async () => {
    const { stderr, refusals, seconds } = await refuse();

    expect(stderr).not.toMatch(/planted|127\.0\.0\.2|192\.0\.2\.77/);
    const lines = stderr
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { msg: string; inTheLastSecond?: Record<string, number> });
    const refused = lines.filter(({ msg }) => msg.startsWith('rejected: '));
    // One at once, one at the end of each second, and the last at the stop.
    expect(refused.length).toBeLessThanOrEqual(seconds + 2);
    expect(
      refused
        .map(({ inTheLastSecond }) =>
          inTheLastSecond === undefined ? 1 : Object.values(inTheLastSecond).reduce((sum, count) => sum + count),
        )
        .reduce((sum, count) => sum + count, 0),
    ).toBe(refusals);
    expect(lines.map(({ msg }) => msg)).toEqual(
      expect.arrayContaining(['The collector listens.', 'The collector is stopping.', 'The collector has stopped.']),
    );
  });

  test('with -v tells what was wrong, and still no token', async () => {
    const { stderr } = await refuse('-v');

    expect(stderr).toMatch(/"reason":/);
    expect(stderr).not.toMatch(/hunter2|right-token/);
  });
});
