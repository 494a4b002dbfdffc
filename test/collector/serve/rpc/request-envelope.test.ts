import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { EnvelopeSchema } from '../../../../gen/spartakus/kubermatic/v1/envelope_pb.js';
import { readRequestEnvelope } from '../../../../src/collector/serve/rpc/request-envelope.ts';

const TIME = { seconds: 1_700_000_000n };
const read = (init: MessageInitShape<typeof EnvelopeSchema>) =>
  readRequestEnvelope(create(EnvelopeSchema, init), false);

test('an envelope has a submission for each record', () => {
  const { entries } = read({
    version: 'v2',
    clientUuid: 'u',
    records: [
      { kind: 'kubermatic', time: TIME },
      { kind: 'kubernetes', time: TIME },
    ],
  });

  expect(entries).toHaveLength(2);
});

test.each([
  ['envelope.client_uuid', { clientUuid: ' \t' }, 'envelope.client_uuid is required: a text that identifies'],
  ['envelope.version', { clientUuid: 'u', version: 'v9' }, 'envelope.version'],
])('the field of an error is the path from the request: %s', (field, init, message) => {
  expect(() => read(init)).toThrow(
    expect.objectContaining({ kind: 'invalid', field, message: expect.stringContaining(message) as string }) as Error,
  );
});

test('a request without an envelope is invalid', () => {
  expect(() => readRequestEnvelope(undefined, false)).toThrow(
    expect.objectContaining({ kind: 'invalid', field: 'envelope', message: 'envelope is required' }) as Error,
  );
});

test.each([true, false])('the country of an envelope is kept where that is set: %s', (keepCountry) => {
  const envelope = create(EnvelopeSchema, { clientUuid: 'u', clientLocation: { countryCode: 'DE' } });

  expect(readRequestEnvelope(envelope, keepCountry).country).toBe(keepCountry ? 'DE' : undefined);
});
