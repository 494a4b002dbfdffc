import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { expect, test } from 'vitest';
import { createLogger } from '../../src/cli/logger.ts';
import { SpartakusError } from '../../src/runtime/errors.ts';

async function open({ isTTY = false, verbose = false } = {}) {
  const stderr = Object.assign(new PassThrough(), { isTTY });
  const logger = await createLogger({ stderr }, verbose);
  let text = '';
  stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return { logger, text: () => text };
}

test('an event is one line of JSON with its level, time, fields and message', async () => {
  const { logger, text } = await open();

  logger.info({ database: 'grpc://127.0.0.1:1', reports: 2 }, 'The volunteer\nhas started.');
  logger.warn({}, 'a warning');
  logger.error({ bytes: 10n }, 'an error');

  const lines = text().split('\n');
  expect(lines[0]).toMatch(
    /^\{"level":"info","time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","database":"grpc:\/\/127\.0\.0\.1:1","reports":2,"msg":"The volunteer\\nhas started\."\}$/,
  );
  expect(JSON.parse(lines[1] ?? '')).toMatchObject({ level: 'warn', msg: 'a warning' });
  expect(JSON.parse(lines[2] ?? '')).toMatchObject({ level: 'error', bytes: '10', msg: 'an error' });
  expect(lines.slice(3)).toStrictEqual(['']);
});

test.each([
  [false, ''],
  [true, 'debug'],
])('an event of level debug with verbose %s is logged as "%s"', async (verbose, level) => {
  const { logger, text } = await open({ verbose });

  logger.debug({}, 'details');

  expect(/"level":"(\w+)"/.exec(text())?.[1] ?? '').toBe(level);
});

test('an error is logged with its type, message, stack, cause and properties', async () => {
  const { logger, text } = await open();
  const cause = new TypeError('no such property');

  logger.error({ err: new SpartakusError('invalid', 'is wrong', { field: '--database', cause }) }, 'failed');

  expect(JSON.parse(text())).toMatchObject({
    err: {
      type: 'SpartakusError',
      message: 'is wrong',
      stack: expect.stringContaining('logger.test.ts') as unknown,
      kind: 'invalid',
      field: '--database',
      cause: { type: 'TypeError', message: 'no such property' },
    },
    msg: 'failed',
  });
});

test('an object that refers to itself does not prevent its event', async () => {
  const { logger, text } = await open();
  const err: { message: string; self?: unknown } = { message: 'of a library' };
  err.self = err;

  logger.error({ err }, 'failed');

  expect(JSON.parse(text())).toMatchObject({
    level: 'error',
    err: expect.stringContaining('of a library') as unknown,
    msg: 'failed',
  });
});

test('a terminal gets readable text', async () => {
  const { logger, text } = await open({ isTTY: true });

  logger.info({ reports: 1 }, 'The report is stored.');

  expect(stripVTControlCharacters(text())).toMatch(
    /^\[\d\d:\d\d:\d\d\] INFO: The report is stored\.\n {4}reports: 1\n$/,
  );
});
