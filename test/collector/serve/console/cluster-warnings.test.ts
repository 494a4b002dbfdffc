import { expect, test } from 'vitest';
import { createClusterWarnings } from '../../../../src/collector/serve/console/cluster-warnings.ts';
import { createManualClock } from '../../../support/manual-clock.ts';

const HOUR_MS = 3_600_000;

function makeWarnings(verbose = false) {
  const clock = createManualClock(new Date('2026-11-21T10:00:00Z'));
  const lines: { readonly fields: object; readonly message: string }[] = [];
  const warnings = createClusterWarnings({
    clock,
    verbose,
    logger: { warn: (fields, message) => lines.push({ fields, message }) },
  });
  /** Reports of so many clusters, whose names start with a text. */
  const report = (addressKey: string | undefined, count: number, prefix = addressKey ?? 'unknown'): void => {
    for (let index = 0; index < count; index += 1)
      warnings.onCluster(`${prefix} ${index}`, { protocol: 'grpc', addressKey, recordedAddress: 'recorded' });
  };
  const busiestAddressRatio = (): number => warnings.busiestAddressRatio();
  return { warnings, report, busiestAddressRatio, clock, lines };
}

test('an address is warned of with the 20th cluster, not with the 19th, and names the flag but no address', () => {
  const { report, lines, busiestAddressRatio } = makeWarnings();
  report('10.1.2.3', 19);
  expect([lines.length, busiestAddressRatio()]).toStrictEqual([0, 0]);

  report('10.1.2.3', 20);

  expect(lines).toHaveLength(1);
  expect(lines[0]?.message).toMatch(/--trusted-proxies.*--proxy-protocol/);
  expect(lines[0]?.fields).toStrictEqual({ clusters: 20, ofClusters: 20, network: 'private' });
  expect(JSON.stringify(lines)).not.toMatch(/10\.1\.2\.3|recorded/);
  expect(busiestAddressRatio()).toBe(1);
});

test('where addresses are logged, one that is not recorded has none', () => {
  const { warnings, lines } = makeWarnings(true);

  warnings.onQuarantined('report', { protocol: 'grpc', addressKey: '192.0.2.1' });

  expect(lines.map(({ fields }) => fields)).toStrictEqual([{ reportsSinceLastWarning: 1 }]);
});

test('half of the clusters is not most of them, one more is', () => {
  const { report, lines, busiestAddressRatio } = makeWarnings();
  for (let index = 0; index < 25; index += 1) report(`192.0.2.${index}`, 1);
  report('8.8.8.8', 25);
  expect([lines.length, busiestAddressRatio()]).toStrictEqual([0, 0.5]);

  report('8.8.8.8', 26);

  expect(lines.map(({ fields }) => fields)).toStrictEqual([{ clusters: 26, ofClusters: 51, network: 'public' }]);
});

test('requests of trusted proxies that name no client are no address, and each cluster counts once an hour', () => {
  const { report, lines, clock, busiestAddressRatio } = makeWarnings();
  report(undefined, 100);
  for (let time = 0; time < 30; time += 1) report('192.0.2.1', 19);
  clock.advance(HOUR_MS);
  report('192.0.2.1', 19, 'other');

  expect([lines.length, busiestAddressRatio()]).toStrictEqual([0, 0]);
});

test('the warning is repeated after a day, the one of quarantine after an hour with the number of reports', () => {
  const { warnings, report, lines, clock } = makeWarnings(true);
  const origin = { protocol: 'grpc', addressKey: '2001:db8::/64', recordedAddress: 'recorded' } as const;
  for (let hour = 0; hour < 25; hour += 1) {
    report('2001:db8::/64', 30);
    clock.advance(HOUR_MS);
  }
  expect(lines.map(({ fields }) => fields)).toMatchObject([{ receivedFrom: 'recorded' }, { receivedFrom: 'recorded' }]);
  lines.length = 0;

  for (let time = 0; time < 3; time += 1) warnings.onQuarantined('report', origin);
  clock.advance(HOUR_MS);
  warnings.onQuarantined('report', origin);

  expect(lines.map(({ fields }) => fields)).toStrictEqual([
    { reportsSinceLastWarning: 1, receivedFrom: 'recorded' },
    { reportsSinceLastWarning: 3, receivedFrom: 'recorded' },
  ]);
  expect(lines[0]?.message).toMatch(/--max-new-clusters.*--trusted-proxies.*spartakus quarantine list/);
});

test('of an hour, the first 10,000 clusters are kept', () => {
  const { report, busiestAddressRatio } = makeWarnings();
  report('192.0.2.1', 10_000);
  report('192.0.2.2', 30_000);

  expect(busiestAddressRatio()).toBe(1);
});

test('a clock that was set back silences no warning, and begins another hour', () => {
  const { warnings, report, lines, clock, busiestAddressRatio } = makeWarnings();
  report('192.0.2.1', 20);
  warnings.onQuarantined('report', { protocol: 'grpc' });
  expect(lines).toHaveLength(2);

  clock.advance(-10 * HOUR_MS);
  expect(busiestAddressRatio()).toBe(0);
  report('192.0.2.1', 20);
  warnings.onQuarantined('report', { protocol: 'grpc' });

  expect(lines).toHaveLength(4);
  expect(busiestAddressRatio()).toBe(1);
});
