import { expect, test } from 'vitest';
import { createRejections } from '../../../../src/collector/serve/console/rejections.ts';
import { SpartakusError } from '../../../../src/runtime/errors.ts';
import { createKeptLog } from '../../../support/log.ts';

function makeRejections(verbose: boolean) {
  const log = createKeptLog();
  const counted: string[] = [];
  const onRejection = createRejections({
    metrics: { countRejection: (protocol, kind) => counted.push(`${protocol} ${kind}`) },
    logger: log.logger,
    verbose,
  });
  return { onRejection, log, counted };
}

test('each rejection is counted, and logged without its message, which may quote a report', () => {
  const { onRejection, log, counted } = makeRejections(false);

  onRejection('grpc', new SpartakusError('invalid', 'clusterID "secret" is wrong'));
  onRejection('http', new SpartakusError('overloaded', 'too many'));

  expect(counted).toStrictEqual(['grpc invalid', 'http overloaded']);
  expect(log.lines).toStrictEqual([
    { level: 'info', fields: { protocol: 'grpc' }, message: 'rejected: invalid' },
    { level: 'info', fields: { protocol: 'http' }, message: 'rejected: overloaded' },
  ]);
});

test('the message is logged where it is asked for', () => {
  const { onRejection, log } = makeRejections(true);

  onRejection('grpc', new SpartakusError('invalid', 'clusterID is wrong'));

  expect(log.lines[0]?.fields).toStrictEqual({ protocol: 'grpc', reason: 'clusterID is wrong' });
});

test('an error of the program is logged with its cause', () => {
  const { onRejection, log, counted } = makeRejections(false);
  const error = new TypeError('undefined is not a function');

  onRejection('connect', error);

  expect(counted).toStrictEqual(['connect internal']);
  expect(log.lines).toStrictEqual([
    { level: 'error', fields: { protocol: 'connect', err: error }, message: 'a request failed' },
  ]);
});
