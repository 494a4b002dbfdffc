import { create } from '@bufbuild/protobuf';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  PartialObjectMetadataListSchema,
  PartialObjectMetadataSchema,
} from '../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';
import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import type { KubernetesClient } from '../../src/kubernetes/client.ts';
import { PROTOBUF_TYPE } from '../../src/kubernetes/response.ts';
import { parseOmissions } from '../../src/report/omitted-fields.ts';
import { gatherReport } from '../../src/volunteer/gather/gather.ts';
import { wrap } from '../support/kube-api.ts';

const HOUR_MS = 3_600_000;
const DAY_HOURS = 24;

/** A cluster with namespaces that were created at these times, in milliseconds. */
function clusterOf(createdMs: readonly number[]): KubernetesClient {
  const items = createdMs.map((ms) =>
    create(PartialObjectMetadataSchema, {
      metadata: { creationTimestamp: { seconds: BigInt(Math.floor(ms / 1000)) } },
    }),
  );
  const body = wrap(PartialObjectMetadataListSchema, create(PartialObjectMetadataListSchema, { items }));
  return {
    get: (target) => Promise.resolve({ path: target, status: 200, contentType: PROTOBUF_TYPE, body }),
    create: () => Promise.reject(new Error('Nothing is created.')),
    update: () => Promise.reject(new Error('Nothing is updated.')),
    close: () => undefined,
    isReady: () => Promise.resolve(true),
    isClosed: () => false,
  };
}

function report(createdMs: readonly number[], nowMs: number, sequence = 1): Promise<Report> {
  return gatherReport(
    { clusterId: 'c', collect: ['namespaces', 'lifetimes'], omit: parseOmissions('masterVersion') },
    {
      kube: clusterOf(createdMs),
      readKey: () => Promise.resolve('key'),
      version: 'v2',
      now: new Date(nowMs),
      random: new Uint8Array(16),
      sequence,
    },
  );
}

type Range = readonly [from: number, to: number];

/** The range of the sum of the ages, in hours, that a report allows. */
function sumOfAges({ namespaces = 0, lifetimes }: Report): Range {
  const from = lifetimes?.namespacesAtLeastHours ?? 0;
  return [namespaces * from, namespaces * (from === 0 ? 1 : 2 * from)];
}

/**
 * The range of the age of the only new object, in hours, that two reports allow: the difference of the sums of the ages, without the hours
 * by which all others have become older.
 */
function ageOfNew(before: Range, after: Range, others: number, hours: number): Range {
  return [Math.max(0, after[0] - before[1] - others * hours), Math.min(hours, after[1] - before[0] - others * hours)];
}

const cluster = fc.record({
  nowMs: fc.integer({ min: Date.UTC(2026, 0), max: Date.UTC(2027, 0) }),
  agesHours: fc
    .constantFrom(30, 300, 5000)
    .chain((max) => fc.array(fc.double({ min: 1, max, noNaN: true }), { minLength: 8, maxLength: 40 })),
  newAgeHours: fc.double({ min: 0, max: DAY_HOURS - 1, noNaN: true }),
});

test('the reports of two days and the number of objects do not tell when an object was created within an hour', async () => {
  await fc.assert(
    fc.asyncProperty(cluster, async ({ nowMs, agesHours, newAgeHours }) => {
      const created = agesHours.map((hours) => nowMs - hours * HOUR_MS);
      const nextMs = nowMs + DAY_HOURS * HOUR_MS;
      const newMs = nextMs - newAgeHours * HOUR_MS;

      const before = await report(created, nowMs, 1);
      const after = await report([...created, newMs], nextMs, 2);

      const [from, to] = ageOfNew(sumOfAges(before), sumOfAges(after), created.length, DAY_HOURS);
      expect(to - from).toBeGreaterThanOrEqual(1);
      // The calculation is right: the age at the start of the hour is in the range, but for ages that were 0 in the hour of a report.
      const trueAge = Math.max(0, Number(after.timestamp) * 1000 - newMs) / HOUR_MS;
      expect(trueAge).toBeGreaterThanOrEqual(from - 1);
      expect(trueAge).toBeLessThanOrEqual(to + 1);
    }),
    { numRuns: 500 },
  );
});

test('the same calculation with average ages in whole seconds would tell it within 90 seconds', () => {
  fc.assert(
    fc.property(cluster, ({ agesHours, newAgeHours }) => {
      const rangeOf = (ages: readonly number[]): Range => {
        const seconds = Math.round((ages.reduce((sum, age) => sum + age, 0) / ages.length) * 3600);
        return [(ages.length * (seconds - 0.5)) / 3600, (ages.length * (seconds + 0.5)) / 3600];
      };
      const next = [...agesHours.map((age) => age + DAY_HOURS), newAgeHours];
      const [from, to] = ageOfNew(rangeOf(agesHours), rangeOf(next), agesHours.length, DAY_HOURS);

      expect((to - from) * 60).toBeLessThan(1.5);
      expect(from - 1e-6).toBeLessThanOrEqual(newAgeHours);
      expect(to + 1e-6).toBeGreaterThanOrEqual(newAgeHours);
    }),
  );
});

test('of fewer than eight objects there is no lifetime', async () => {
  const ages = (count: number) => Array.from({ length: count }, () => 0);

  expect((await report(ages(7), HOUR_MS)).lifetimes).toBeUndefined();
  expect((await report(ages(8), HOUR_MS)).lifetimes).toMatchObject({ namespacesAtLeastHours: 1 });
});

test('the reports of one hour are the same, whenever they are made and objects are created in it', async () => {
  const hourMs = Date.UTC(2026, 10, 21, 7);
  const old = Array.from({ length: 9 }, (_, index) => hourMs - (index + 0.4) * 50 * HOUR_MS);
  const minute = fc.integer({ min: 0, max: 59 });

  await fc.assert(
    fc.asyncProperty(minute, minute, async (first, second) => {
      const [madeMs, createdMs] = [Math.max(first, second), Math.min(first, second)].map(
        (each) => hourMs + each * 60_000,
      );
      const observed = await report([...old, createdMs ?? 0], madeMs ?? 0);

      expect(observed).toStrictEqual(await report([...old, hourMs], hourMs));
    }),
  );
});
