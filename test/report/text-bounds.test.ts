import { create, type DescField, type DescMessage, fromJson, type JsonValue, ScalarType } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { EnvelopeSchema } from '../../gen/spartakus/kubermatic/v1/envelope_pb.js';
import { RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { CoreosReportSchema } from '../../gen/spartakus/legacy/v1/coreos_pb.js';
import { ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { readGoJson } from '../../src/report/go-json.ts';
import { checkTexts, maxBytesOf } from '../../src/report/text-bounds.ts';

/** The fields from a message to one of its texts. */
type TextPath = readonly DescField[];

function textsIn({ fields }: DescMessage, above: TextPath = []): TextPath[] {
  return fields.flatMap((field) => {
    const path = [...above, field];
    if (field.message !== undefined) return field.fieldKind === 'map' ? [path] : textsIn(field.message, path);
    const isText = field.scalar === ScalarType.STRING || (field.fieldKind === 'map' && field.mapKind === 'scalar');
    return isText ? [path] : [];
  });
}

/** The JSON of a message with one text, in the second entry of each list. */
function jsonWith([field, ...below]: TextPath, text: string): JsonValue {
  if (field === undefined) return text;
  const value = jsonWith(below, text);
  if (field.fieldKind === 'map') return { [field.jsonName]: { key: value } };
  if (field.fieldKind !== 'list') return { [field.jsonName]: value };
  return { [field.jsonName]: [field.message === undefined ? '' : {}, value] };
}

const nameOf = (path: TextPath): string =>
  path
    .map(({ jsonName, fieldKind }) => {
      if (fieldKind === 'map') return `${jsonName}["key"]`;
      return fieldKind === 'list' ? `${jsonName}[1]` : jsonName;
    })
    .join('.');

describe.each([ReportSchema, RecordSchema, EnvelopeSchema, CoreosReportSchema])('each text of $name', (schema) => {
  const texts = textsIn(schema).map((path) => ({ path, name: nameOf(path), maxBytes: maxBytesOf(path.at(-1)!) }));

  test.each(texts)('$name may have $maxBytes bytes, and no more', ({ path, name, maxBytes }) => {
    const most = jsonWith(path, `é${'x'.repeat(maxBytes - 2)}`);
    const more = jsonWith(path, `é${'x'.repeat(maxBytes - 1)}`);
    const error = expect.objectContaining({
      kind: 'invalid',
      field: name,
      message: expect.stringContaining(name) as string,
    }) as Error;

    expect(() => checkTexts(schema, fromJson(schema, most))).not.toThrow();
    expect(() => checkTexts(schema, fromJson(schema, more))).toThrow(error);
    expect(() => readGoJson(schema, most)).not.toThrow();
    expect(() => readGoJson(schema, more)).toThrow(error);
  });
});

test('the bounds that differ from 1 KiB', () => {
  const bounds = [ReportSchema, RecordSchema, EnvelopeSchema, CoreosReportSchema].flatMap((schema) =>
    textsIn(schema).map((path) => [`${schema.name}.${nameOf(path)}`, maxBytesOf(path.at(-1)!)] as const),
  );

  expect(Object.fromEntries(bounds.filter(([, maxBytes]) => maxBytes !== 1_024))).toEqual({
    'Report.clusterID': 256,
    'Report.extensions[1].value': 1_048_576,
    'Record.clientUUID': 256,
    'Envelope.clientUUID': 256,
    'Envelope.records[1].clientUUID': 256,
    'CoreosReport.payload.clusterID': 256,
  });
});

test('a key of a map is bounded', () => {
  const json = (key: string): JsonValue => ({ payload: { nodes: [{ status: { capacity: { [key]: '1' } } }] } });
  const tooLong = { kind: 'invalid', field: 'payload.nodes[0].status.capacity' };

  expect(() => readGoJson(CoreosReportSchema, json('k'.repeat(1_024)))).not.toThrow();
  expect(() => readGoJson(CoreosReportSchema, json('k'.repeat(1_025)))).toThrow(
    expect.objectContaining(tooLong) as Error,
  );
  expect(() => checkTexts(CoreosReportSchema, fromJson(CoreosReportSchema, json('k'.repeat(1_025))))).toThrow(
    expect.objectContaining(tooLong) as Error,
  );
});

test('a message without texts is within bounds', () => {
  expect(() => checkTexts(ReportSchema, create(ReportSchema))).not.toThrow();
});
