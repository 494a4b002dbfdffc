import type { DescMessage } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import {
  CloudSchema,
  ClusterSchema,
  CNIPluginSchema,
  RecordSchema,
  UserSchema,
} from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import { NodeSchema, ReportSchema, ResourceSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { normaliserOf } from '../../../src/report/normalise/normalise-field.ts';

function normalise(schema: DescMessage, name: string, text: string): string {
  const field = schema.fields.find(({ jsonName }) => jsonName === name);
  if (field === undefined) throw new Error(`${schema.typeName} has no field ${name}`);
  return normaliserOf(field)(text);
}

test.each<[schema: DescMessage, field: string, known: string, own: string, normalised: string]>([
  [NodeSchema, 'operatingSystem', 'linux', 'jane', 'other'],
  [NodeSchema, 'kubeletVersion', 'v1.31.4', 'v1.31.4-jane', 'v1.31.4+custom'],
  [NodeSchema, 'cloudProvider', 'aws', 'jane', 'unknown'],
  [ReportSchema, 'masterVersion', 'v1.31.4', 'v1.31.4-jane', 'v1.31.4+custom'],
  [ResourceSchema, 'resource', 'nvidia.com/gpu', 'nvidia.com/jane', 'nvidia.com/other'],
  [RecordSchema, 'kubermaticEdition', 'EE', 'jane', ''],
  [RecordSchema, 'kubermaticVersion', 'v2.25', 'jane', ''],
  [ClusterSchema, 'kubernetesServerVersion', '1.29.3', 'jane', ''],
  [ClusterSchema, 'kubernetesServerVersion', '1.29.3', '1.29.3-jane', '1.29.3+custom'],
  [CNIPluginSchema, 'type', 'cilium', 'jane', ''],
  [CloudSchema, 'provider', 'hetzner', 'jane', ''],
])('of %s.%s, %s stays, and %s becomes "%s"', (schema, field, known, own, normalised) => {
  expect(normalise(schema, field, known)).toBe(known);
  expect(normalise(schema, field, own)).toBe(normalised);
});

test('the texts of a field without a normaliser stay as they are, also where another message has one of its name', () => {
  expect(normalise(ReportSchema, 'version', 'jane')).toBe('jane');
  expect(normalise(UserSchema, 'uuid', 'jane')).toBe('jane');
});
