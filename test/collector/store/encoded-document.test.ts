import { BSON, MongoClient } from 'mongodb';
import { expect, test } from 'vitest';
import { documentOf, encodeDocument, insertEncoded } from '../../../src/collector/store/encoded-document.ts';
import type { EncodedEntry } from '../../../src/report/report-sink.ts';
import { openFakeMongodb } from '../../support/fake-mongodb.ts';
import { makeReport } from '../../support/reports.ts';

const RECEIVED_AT = new Date('2026-11-21T10:00:00.123Z');
const FIELDS = { clusterID: 'c', large: 2n ** 60n, bytes: new Uint8Array([1, 2, 3]) };

/** An entry whose fields have so much room before them in their buffer. */
function entryWith(room: number): EncodedEntry {
  const encoded = BSON.serialize(FIELDS);
  const fields = new Uint8Array(room + encoded.length).subarray(room);
  fields.set(encoded);
  return {
    encodedDocument: { kind: 'kubermaticRecord', clusterId: 'c', reportId: 'r', fields, droppedFields: 0 },
    receivedAt: RECEIVED_AT,
    country: 'DE',
  };
}

/** What the collector adds: without the length of its document, and its end. */
const ADDED = BSON.serialize({ _id: 'r', receivedAt: RECEIVED_AT, country: 'DE' }).length - 5;
const DOCUMENT = { _id: 'r', receivedAt: RECEIVED_AT, country: 'DE', ...FIELDS };

test.each([0, ADDED - 1, ADDED, ADDED + 1])(
  'the document has what the collector adds, then the fields, with %d bytes of room',
  (room) => {
    const entry = entryWith(room);

    const document = encodeDocument(entry);

    expect(Buffer.from(document)).toStrictEqual(Buffer.from(BSON.serialize(DOCUMENT)));
    expect(document.buffer === entry.encodedDocument.fields.buffer).toBe(room >= ADDED);
  },
);

test('without a time of receipt, it is 1970', () => {
  const { receivedAt: _receivedAt, ...entry } = entryWith(0);

  expect(BSON.deserialize(encodeDocument(entry))).toMatchObject({ receivedAt: new Date(0) });
});

test('the document of an encoded entry has 64-bit numbers and bytes, as that of any other', () => {
  const { kind, document } = documentOf(entryWith(0));

  expect(kind).toBe('kubermaticRecord');
  expect(document).toMatchObject({ _id: 'r', clusterID: 'c', large: 2n ** 60n });
  expect(document['bytes']).toBeInstanceOf(Uint8Array);
  expect(Buffer.from(document['bytes'] as Uint8Array)).toStrictEqual(Buffer.from(FIELDS.bytes));
  const report = makeReport();
  expect(documentOf({ report, receivedAt: RECEIVED_AT })).toMatchObject({
    kind: 'report',
    document: { _id: report.reportId },
  });
});

test.each([
  ['the client has a limit for the wait', { wtimeoutMS: 70 }, { w: 'majority', j: true, wtimeout: 70 }],
  ['it has none', {}, { w: 'majority', j: true }],
])('documents are inserted with one durable command where %s', async (_what, concern, writeConcern) => {
  const server = await openFakeMongodb();
  const client = new MongoClient(server.uri, { writeConcern: { w: 'majority', ...concern } });

  const outcomes = await insertEncoded(
    client.db(),
    'reports',
    Buffer.concat([encodeDocument(entryWith(0)), BSON.serialize({ a: 1 })]),
    2,
  );

  expect(outcomes).toStrictEqual([{ status: 'stored' }, { status: 'stored' }]);
  expect(server.sent('insert')).toMatchObject([
    { insert: 'reports', ordered: false, documents: [{ _id: 'r' }, { a: 1 }] },
  ]);
  expect(server.sent('insert')[0]?.['writeConcern']).toStrictEqual(writeConcern);
  await client.close();
  await server.close();
});
