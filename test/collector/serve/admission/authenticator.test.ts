import { rm, writeFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { type Authenticator, openTokenAuthenticator } from '../../../../src/collector/serve/admission/authenticator.ts';
import { SpartakusError } from '../../../../src/runtime/errors.ts';
import { failureOf } from '../../../support/failure.ts';
import { withFiles } from '../../../support/files.ts';
import { createKeptLog, type KeptLog } from '../../../support/log.ts';
import { createManualClock } from '../../../support/manual-clock.ts';

const TOKENS = '# of team a\nfirst-token\n\n  second+token/1~==  \r\n#third-token\n';

/** Whether an authenticator accepts a header. */
function accepts(authenticate: Authenticator, authorization?: string): boolean {
  try {
    authenticate({ authorization });
    return true;
  } catch (error) {
    if (SpartakusError.from(error).kind === 'unauthenticated') return false;
    throw error;
  }
}

/** Opens an authenticator with a file that the test may change. */
async function withAuthenticator(
  use: (parts: { authenticate: Authenticator; file: string; log: KeptLog; look: () => Promise<void> }) => Promise<void>,
): Promise<void> {
  await withFiles({ tokens: TOKENS }, async (dir) => {
    const clock = createManualClock(new Date(0));
    const log = createKeptLog();
    const stop = new AbortController();
    const authenticate = await openTokenAuthenticator(
      { flag: '--tokens', file: `${dir}/tokens` },
      { clock, logger: log.logger, stop: stop.signal },
    );
    await clock.asleep();
    const look = async (): Promise<void> => {
      for (let time = 0; time < 2; time += 1) {
        clock.advance(5_000);
        await clock.asleep();
      }
    };
    await use({ authenticate, file: `${dir}/tokens`, log, look });
    stop.abort();
  });
}

describe('the token authenticator', () => {
  test('accepts each token of the file, and nothing else', async () => {
    await withAuthenticator(({ authenticate }) => {
      for (const token of [
        'Bearer first-token',
        'bearer first-token',
        'Bearer  first-token ',
        'Bearer second+token/1~==',
      ])
        expect(accepts(authenticate, token)).toBe(true);
      for (const other of [
        undefined,
        '',
        'Bearer',
        'Bearer ',
        'first-token',
        'Basic first-token',
        'Not-Bearer first-token',
        'Bearer first-toke',
        'Bearer first-token2',
        'Bearer #third-token',
        'Bearer third-token',
        'Bearer first-token second+token/1~==',
        'Bearer #',
        'Bearer FIRST-TOKEN',
      ]) {
        expect(accepts(authenticate, other)).toBe(false);
      }
      return Promise.resolve();
    });
  });

  test('reloads the file: it accepts a new token, and an old one no longer', async () => {
    await withAuthenticator(async ({ authenticate, file, log, look }) => {
      await writeFile(file, 'new-token\n');
      await look();

      expect([accepts(authenticate, 'Bearer new-token'), accepts(authenticate, 'Bearer first-token')]).toStrictEqual([
        true,
        false,
      ]);
      expect(log.messages()).toStrictEqual([`reloaded --tokens ${file}`]);
    });
  });

  test.each([
    ['is empty', (file: string) => writeFile(file, '# none\n'), 'contains no token'],
    [
      'holds no tokens',
      (file: string) => writeFile(file, 'good-token\nbad token\n'),
      'line 2 is not a token of printable characters without spaces',
    ],
    ['is gone', (file: string) => rm(file), 'cannot be read'],
  ])('keeps its tokens where the file %s, and logs it without quoting the file', async (_, spoil, problem) => {
    await withAuthenticator(async ({ authenticate, file, log, look }) => {
      await spoil(file);
      await look();
      await look();

      expect(accepts(authenticate, 'Bearer first-token')).toBe(true);
      expect(log.messages('error')).toStrictEqual([expect.stringContaining(`--tokens ${file}: ${problem}`)]);
      expect(JSON.stringify(log.lines)).not.toMatch(/good-token|bad token/);
    });
  });

  test.each([
    ['', 'contains no token.'],
    ['#\n\n', 'contains no token.'],
    ['a\nto ken\n', 'line 2 is not a token of printable characters without spaces.'],
    ['tökén', 'line 1 is not a token of printable characters without spaces.'],
  ])('does not open on a file with %j', async (content, problem) => {
    await withFiles({ tokens: content }, async (dir) => {
      const stop = AbortSignal.abort();
      const opened = openTokenAuthenticator(
        { flag: '--tokens', file: `${dir}/tokens` },
        { clock: createManualClock(new Date(0)), logger: createKeptLog().logger, stop },
      );

      const { kind, message } = await failureOf(opened);

      expect({ kind, message }).toStrictEqual({ kind: 'invalid', message: `--tokens ${dir}/tokens: ${problem}` });
    });
  });
});
