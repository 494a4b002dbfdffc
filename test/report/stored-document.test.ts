import { create, type DescMessage, fromJson, type JsonObject, ScalarType, toJson } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { expect, test } from 'vitest';
import { ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { toDocument } from '../../src/report/stored-document.ts';

const RECEIVED_AT = new Date('2026-11-21T10:00:00.123Z');

/** The JSON of a message in which every field is set, whatever fields the schema has. */
function filledJson(schema: DescMessage): JsonObject {
  return Object.fromEntries(
    schema.fields.map((field, index) => {
      const one = (): JsonObject | string | number => {
        if (field.message?.typeName === 'google.protobuf.Timestamp') return '2026-11-21T09:59:59.500Z';
        if (field.message !== undefined) return filledJson(field.message);
        return field.scalar === ScalarType.STRING ? `${field.jsonName} ${index}` : index + 1;
      };
      return [field.jsonName, field.fieldKind === 'list' ? [one(), one()] : one()];
    }),
  );
}

test('a document has every field of the schema under its JSON name, with timestamps as dates', () => {
  const json = filledJson(ReportSchema);
  const { reportID, observedAt, ...rest } = json;

  expect(toDocument(fromJson(ReportSchema, json), RECEIVED_AT)).toStrictEqual({
    _id: reportID,
    receivedAt: RECEIVED_AT,
    observedAt: new Date(observedAt as string),
    ...rest,
  });
});

test('a field that is not set is absent from the document, as from the JSON', () => {
  const report = create(ReportSchema, { reportId: 'id', clusterId: 'c', nodes: [{ id: 'n', osImage: '' }] });

  expect(toDocument(report, RECEIVED_AT)).toStrictEqual({
    _id: 'id',
    receivedAt: RECEIVED_AT,
    clusterID: 'c',
    nodes: [{ id: 'n', osImage: '' }],
  });
  expect(toJson(ReportSchema, report)).toStrictEqual({
    reportID: 'id',
    clusterID: 'c',
    nodes: [{ id: 'n', osImage: '' }],
  });
});

test('times are kept to the millisecond', () => {
  const observedAt = new Date('1999-12-31T23:59:59.999Z');

  const document = toDocument(
    create(ReportSchema, { reportId: 'id', observedAt: timestampFromDate(observedAt) }),
    RECEIVED_AT,
  );

  expect(document['observedAt']).toStrictEqual(observedAt);
});
