import { readdir, writeFile } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { startReporter } from '../../src/kubermatic/reporter.ts';
import { withFiles } from '../support/files.ts';
import { startServer } from '../support/http-server.ts';
import { createKeptLog } from '../support/log.ts';

const RECORD = '{"kind": "kubermatic", "time": "2024-05-06T00:00:06Z"}';

test.each([
  [60_000, 'failed', 1, ['record-1.json']],
  [3_600_000, 'done', 2, []],
])(
  'with a wrong token records stay, and within --timeout (%i ms) the token file is read again',
  async (timeoutMs, status, attempts, left) => {
    await withFiles({ token: 'wrong-token', 'records/record-1.json': RECORD }, async (dir) => {
      const tokenFile = `${dir}/token`;
      const log = createKeptLog();
      const server = await startServer((_body, response) =>
        response.writeHead(response.req.headers.authorization === 'Bearer right-token' ? 204 : 401).end(),
      );
      let nowMs = Date.now();
      const clock = {
        now: () => new Date(nowMs),
        sleep: async (ms: number) => {
          await writeFile(tokenFile, 'right-token');
          nowMs += ms;
        },
      };
      const clientUuid = '7c0f3c52-5b1e-4d0a-9b0e-3f4f2a9d6e11';
      const reporter = await startReporter(
        { transport: 'http', recordDir: `${dir}/records`, clientUuid, url: server.url, timeoutMs, tokenFile },
        { clock, random: () => 0.5, logger: log.logger, stdout: new PassThrough(), env: {} },
      );

      const end = await reporter.done;

      expect([end.status, server.bodies.length]).toStrictEqual([status, attempts]);
      await expect(readdir(`${dir}/records`)).resolves.toStrictEqual(left);
      expect(log.messages('error').join('')).toMatch(
        status === 'done' ? /^$/ : /the next run sends the rest: .* Write a token that it accepts to --token-file/,
      );
      await server.close();
    });
  },
);
