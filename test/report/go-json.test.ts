import { readFileSync } from 'node:fs';
import { type DescMessage, type JsonValue, toJson } from '@bufbuild/protobuf';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EnvelopeSchema } from '../../gen/spartakus/kubermatic/v1/envelope_pb.js';
import { RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { CoreosReportSchema } from '../../gen/spartakus/legacy/v1/coreos_pb.js';
import { ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { type GoJsonOptions, parseJson, readGoJson } from '../../src/report/go-json.ts';
import { RECORD_JSON_OPTIONS } from '../../src/report/kubermatic-record.ts';
import { SpartakusError } from '../../src/runtime/errors.ts';
import { brokenBodies } from '../support/broken-bodies.ts';
import { readGoJsonPlainly } from '../support/plain-go-json.ts';
import { sampled } from '../support/sampled.ts';

const SEED = Number(process.env['SPARTAKUS_TEST_SEED'] ?? Date.now() % 2 ** 31);
const BODIES = sampled(150, 10_000);

/** What a reader makes of a body: the message and the number of dropped fields, or the error. */
function resultOf(read: typeof readGoJson, schema: DescMessage, json: JsonValue, options: GoJsonOptions): object {
  let dropped = 0;
  try {
    const message = read(schema, json, options, () => (dropped += 1));
    return { message: toJson(schema, message), dropped };
  } catch (error) {
    if (!(error instanceof SpartakusError)) throw error;
    return { kind: error.kind, message: error.message, field: error.field };
  }
}

/** A value for a key: mostly of the type that the field has. */
function valueOf(schema: DescMessage, depth: number): fc.Arbitrary<JsonValue> {
  if (depth === 0) return fc.constant({});
  const entries = schema.fields.map((field) => {
    const one =
      field.message === undefined
        ? fc.oneof(fc.string({ unit: 'binary' }), fc.nat(), fc.boolean())
        : valueOf(field.message, depth - 1);
    const right = field.fieldKind === 'list' ? fc.array(one, { maxLength: 3 }) : one;
    const value = fc.oneof({ weight: 12, arbitrary: right }, fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<JsonValue>);
    const key = fc.constantFrom(field.jsonName, field.name, field.jsonName.toUpperCase(), `${field.jsonName}s`);
    return fc.tuple(key, value);
  });
  return fc.array(fc.oneof(...entries), { maxLength: 6 }).map((pairs) => Object.fromEntries(pairs));
}

const newer = new Set(ReportSchema.fields.filter(({ number }) => number > 6));
const APIS: readonly [string, DescMessage, GoJsonOptions, string][] = [
  ['Spartakus', ReportSchema, { newer }, 'legacy/spartakus-volunteer-report'],
  [
    'CoreOS',
    CoreosReportSchema,
    { numbersAsText: new Set(['CoreosMetadata.timestamp', 'CoreosNodeStatus.capacity']) },
    'legacy/coreos-report',
  ],
  ["Kubermatic's envelopes", EnvelopeSchema, RECORD_JSON_OPTIONS, 'kubermatic/report-v2'],
  ["Kubermatic's records", RecordSchema, RECORD_JSON_OPTIONS, 'kubermatic/record-kubermatic-v2'],
];

describe.each(APIS)(
  `the JSON of %s (seed ${SEED}; SPARTAKUS_TEST_SEED repeats it)`,
  (_name, schema, options, sample) => {
    test(`of ${BODIES} random bodies is read, or rejected, as in two steps by the library of protobuf`, () => {
      fc.assert(
        fc.property(valueOf(schema, 4), (json) => {
          expect(resultOf(readGoJson, schema, json, options)).toEqual(
            resultOf(readGoJsonPlainly, schema, json, options),
          );
        }),
        { seed: SEED, numRuns: BODIES },
      );
    });

    test(`of ${BODIES} broken bodies is read, or rejected, as in two steps by the library of protobuf`, () => {
      const text = readFileSync(new URL(`../fixtures/${sample}.json`, import.meta.url), 'utf8');
      fc.assert(
        fc.property(brokenBodies(text), (body) => {
          let json: JsonValue;
          try {
            json = parseJson(body);
          } catch {
            return;
          }
          expect(resultOf(readGoJson, schema, json, options)).toEqual(
            resultOf(readGoJsonPlainly, schema, json, options),
          );
        }),
        { seed: SEED, numRuns: BODIES },
      );
    });
  },
);

test(`a body of random bytes becomes the text that TextDecoder makes of it (seed ${SEED})`, () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const quoted = Buffer.concat([Buffer.from('"'), bytes.filter((byte) => byte >= 0x80), Buffer.from('"')]);
      expect(parseJson(quoted)).toBe(JSON.parse(new TextDecoder('utf-8', { ignoreBOM: true }).decode(quoted)));
    }),
    { seed: SEED, numRuns: BODIES },
  );
});
