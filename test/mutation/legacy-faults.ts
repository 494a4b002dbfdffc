import type { Fault } from './fault.ts';

const KUBERMATIC = 'collector/legacy/kubermatic.ts';
const KUBERMATIC_TEST = 'test/collector/legacy/kubermatic.test.ts';
const INVALID_TEST = 'test/collector/legacy/kubermatic-invalid.test.ts';
const DIALECTS_TEST = 'test/collector/legacy/dialects.test.ts';

export const LEGACY_FAULTS: readonly Fault[] = [
  {
    fault: 'an envelope of 1000 records is rejected',
    file: KUBERMATIC,
    from: 'if (envelope.records.length > MAX_RECORDS)',
    to: 'if (envelope.records.length >= MAX_RECORDS)',
    test: INVALID_TEST,
  },
  {
    fault: 'an envelope of 1001 records is accepted',
    file: KUBERMATIC,
    from: 'if (envelope.records.length > MAX_RECORDS)',
    to: 'if (envelope.records.length > MAX_RECORDS + 1)',
    test: INVALID_TEST,
  },
  {
    fault: "an envelope's client replaces that of its record",
    file: KUBERMATIC,
    from: "if (record.clientUuid === '') record.clientUuid = envelope.clientUuid;",
    to: 'record.clientUuid = envelope.clientUuid;',
    test: KUBERMATIC_TEST,
  },
  {
    fault: "an envelope's time replaces that of its record",
    file: KUBERMATIC,
    from: 'readTime(record.time, `${pathOf(index)}time`) ?? envelopeTime',
    to: 'envelopeTime ?? readTime(record.time, `${pathOf(index)}time`)',
    test: KUBERMATIC_TEST,
  },
  {
    fault: 'countries are kept without --keep-country',
    file: KUBERMATIC,
    from: 'const country = keepCountry ? countryOf(place.country) : undefined;',
    to: 'const country = countryOf(place.country);',
    test: KUBERMATIC_TEST,
  },
  {
    fault: 'the country of a client is kept without --keep-country',
    file: KUBERMATIC,
    from: 'keepCountry ? firstCountryOf(envelope) : undefined',
    to: 'firstCountryOf(envelope)',
    test: KUBERMATIC_TEST,
  },
  {
    fault: 'the nodes of a kubermatic record are kept',
    file: KUBERMATIC,
    from: '  record.nodes = [];\n',
    to: '',
    test: KUBERMATIC_TEST,
  },
  {
    fault: 'a record without a time has an id of its content, so that an unchanged cluster is a duplicate for good',
    file: KUBERMATIC,
    from: "  if (time === undefined) return '';\n",
    to: '  time ??= { seconds: 0n, nanos: 0 } as Timestamp;\n',
    test: KUBERMATIC_TEST,
  },
  {
    fault: 'the id of a record depends on fields that may be dropped',
    file: KUBERMATIC,
    from: 'writeUnknownFields: false',
    to: 'writeUnknownFields: true',
    test: KUBERMATIC_TEST,
  },
  {
    fault: 'the id of a record does not depend on its kind',
    file: KUBERMATIC,
    from: 'Buffer.from(kind), content',
    to: 'content',
    test: KUBERMATIC_TEST,
  },
  {
    fault: 'the id of a record replaces the one that its client gave',
    file: KUBERMATIC,
    from: "    record.reportId === ''\n      ? deriveId",
    to: '    time !== undefined\n      ? deriveId',
    test: KUBERMATIC_TEST,
  },
  {
    fault: 'half a surrogate pair of legacy JSON is kept',
    file: 'report/go-json.ts',
    from: 'return text.toWellFormed();',
    to: 'return text;',
    test: 'test/report/go-json.test.ts',
  },
  {
    fault: 'null in legacy JSON replaces the value of a key before it',
    file: 'report/go-json.ts',
    from: 'field === undefined || value === null || value === undefined',
    to: 'field === undefined || value === undefined',
    test: 'test/report/go-json.test.ts',
  },
  {
    fault: 'the path of an invalid item lacks its index',
    file: 'report/go-json.ts',
    from: 'throw within(error, `[${index}]`);',
    to: 'throw error;',
    test: 'test/report/go-json.test.ts',
  },
  {
    fault: 'a whole number above 4294967295 is not rejected with its path',
    file: 'report/go-json.ts',
    from: '(value as number) < 2 ** 32',
    to: '(value as number) <= 2 ** 32',
    test: INVALID_TEST,
  },
  {
    fault: 'the whole number 4294967295 is rejected',
    file: 'report/go-json.ts',
    from: '(value as number) < 2 ** 32',
    to: '(value as number) < 2 ** 32 - 1',
    test: INVALID_TEST,
  },
  {
    fault: 'a report of Spartakus with a payload is read as one of CoreOS',
    file: 'collector/legacy/coreos.ts',
    from: " && !body.has('clusterid')",
    to: '',
    test: DIALECTS_TEST,
  },
  {
    fault: 'a dropped field of a legacy report is not counted',
    file: 'collector/legacy/body.ts',
    from: '() => (unknownFields += 1)',
    to: '() => undefined',
    test: DIALECTS_TEST,
  },
];
