import {
  create,
  type DescField,
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  ScalarType,
  toJson,
} from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { serialize } from 'bson';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { encodeFields, entryDocument, toDocument, toFields } from '../../src/report/stored-document.ts';

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

const isTimestamp = (schema: DescMessage): boolean => schema.typeName === 'google.protobuf.Timestamp';

/** Any protobuf JSON of a message. */
function arbitraryJson(schema: DescMessage): fc.Arbitrary<JsonObject> {
  const valueOf = ({ message, scalar }: DescField): fc.Arbitrary<JsonValue> => {
    if (message !== undefined && isTimestamp(message))
      return fc
        .date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true })
        .map((date) => date.toISOString());
    if (message !== undefined) return arbitraryJson(message);
    if (scalar === ScalarType.BOOL) return fc.boolean();
    if (scalar === ScalarType.UINT32) return fc.nat(2 ** 32 - 1);
    if (scalar === ScalarType.INT64) return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String);
    if (scalar === ScalarType.UINT64) return fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }).map(String);
    return fc.string({ unit: 'binary', maxLength: 100 }).map((text) => text.toWellFormed());
  };
  const fields = schema.fields.map((field): [string, fc.Arbitrary<JsonValue>] => {
    const value = valueOf(field);
    return [field.jsonName, field.fieldKind === 'list' ? fc.array(value, { maxLength: 12 }) : value];
  });
  return fc.record(Object.fromEntries(fields), { requiredKeys: [] }) as fc.Arbitrary<JsonObject>;
}

/** The protobuf JSON of a message with dates and 64-bit numbers as the database has them. */
function storedForm(schema: DescMessage, json: JsonObject): object {
  const one = ({ message, scalar }: DescField, value: JsonValue): unknown => {
    if (message !== undefined && isTimestamp(message)) return new Date(value as string);
    if (message !== undefined) return storedForm(message, value as JsonObject);
    return scalar === ScalarType.INT64 || scalar === ScalarType.UINT64 ? BigInt(value as string) : value;
  };
  return Object.fromEntries(
    schema.fields.flatMap((field) => {
      const value = json[field.jsonName];
      if (value === undefined || field.jsonName === 'reportID') return [];
      return [[field.jsonName, Array.isArray(value) ? value.map((item) => one(field, item)) : one(field, value)]];
    }),
  );
}

describe.each([ReportSchema, RecordSchema])('of any $typeName', (schema) => {
  test('the stored fields are those of its JSON, encoded as MongoDB encodes them', () => {
    fc.assert(
      fc.property(arbitraryJson(schema), (json) => {
        const message = fromJson(schema, json);

        const stored = toFields(schema, message);

        expect(stored).toStrictEqual(storedForm(schema, toJson(schema, message) as JsonObject));
        expect(Buffer.from(encodeFields(schema, message)).equals(serialize(stored))).toBe(true);
      }),
    );
  });
});

test('a value of facts that no document can have is an error, and not left out', () => {
  const report = create(ReportSchema, { reportId: 'id' });

  expect(() => entryDocument({ report, facts: { nodes: undefined } })).toThrow(
    'no document has a value of type undefined',
  );
});
