import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { load } from 'js-yaml';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { ErrorKind } from '../../src/runtime/errors.ts';
import { startCollectorOn } from '../support/collector.ts';
import { makeEmbeddedDatabase } from '../support/database.ts';
import { type ExposedMetrics, readExposition } from '../support/exposition.ts';
import { withFiles } from '../support/files.ts';
import { anchorsOf } from '../support/markdown.ts';
import { findPromqlProblems, readPromql } from '../support/promql.ts';
import { findPromtool, runPromtool } from '../support/promtool.ts';

const ROOT = path.join(import.meta.dirname, '../..');
const REPOSITORY = 'https://github.com/spartakus-telemetry/spartakus/blob/main/';
const ALERTS = 'deploy/grafana/alerts.yaml';
const ALERT_TESTS = ['test/deploy/alerts.test.yaml', 'test/deploy/alerts-over-days.test.yaml'];
const COLUMNS = 24;
const HISTOGRAM_SUFFIX = /_(?:bucket|count|sum)$/;
const WAIT = { timeout: 30_000 };
/** Added by Prometheus. */
const TARGET_LABELS = ['job', 'instance'];
const ERROR_KINDS = {
  invalid: true,
  'too-large': true,
  'unsupported-media-type': true,
  unauthenticated: true,
  forbidden: true,
  'not-found': true,
  unimplemented: true,
  'rate-limited': true,
  overloaded: true,
  unavailable: true,
  internal: true,
} satisfies Record<ErrorKind, true>;

interface Query {
  readonly datasource: unknown;
  readonly expr: string;
  readonly legendFormat: string;
  readonly refId: string;
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: unknown;
  readonly targets?: readonly Query[];
}

interface Dashboard {
  readonly uid: string;
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly links: readonly { readonly url: string }[];
  readonly annotations: {
    readonly list: readonly { readonly name: string; readonly target?: { readonly expr: string } }[];
  };
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly type: string; readonly definition?: string }[];
  };
}

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string; readonly runbook_url: string };
}

const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8');
const dashboard = JSON.parse(read('deploy/grafana/collector.json')) as Dashboard;
const alerts = (load(read(ALERTS)) as { groups: readonly { rules: readonly Alert[] }[] }).groups.flatMap(
  ({ rules }) => rules,
);
const queries = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map((query) => ({ ...query, name: `${title}, ${query.refId}` })),
);
const variables = dashboard.templating.list.filter(({ type }) => type === 'query');
/** label_values() is Grafana's, not PromQL's. */
const variableSelector = (definition = ''): string => /^label_values\((.+), \w+\)$/.exec(definition)?.[1] ?? definition;
const EXPRESSIONS = [
  ...queries.map(({ name, expr }) => [`the panel ${name}`, expr] as const),
  ...variables.map(({ name, definition }) => [`the variable ${name}`, variableSelector(definition)] as const),
  ...dashboard.annotations.list.flatMap(({ name, target }) =>
    target === undefined ? [] : [[`the annotation ${name}`, target.expr] as const],
  ),
  ...alerts.map(({ alert, expr }) => [`the alert ${alert}`, expr] as const),
];

/** The labels that the result of an expression can have. */
function resultLabels(expression: string, metrics: ExposedMetrics): readonly string[] {
  const { selectors, labels } = readPromql(expression);
  if (labels.length > 0) return labels;
  return selectors.flatMap(({ metric }) => [...(metrics.get(metric)?.keys() ?? [])]);
}

/** Adds what a collector exposes under other circumstances: the labels of Prometheus, and every reason of a rejection. */
function withPossibleValues(metrics: ExposedMetrics): ExposedMetrics {
  const possible = { job: [], instance: [], reason: Object.keys(ERROR_KINDS), outcome: Object.keys(ERROR_KINDS) };
  return new Map(
    [...metrics].map(([metric, labels]) => {
      const added = Object.entries(possible)
        .filter(([label]) => labels.has(label) || TARGET_LABELS.includes(label))
        .map(([label, values]) => [label, new Set<string>([...(labels.get(label) ?? []), ...values])] as const);
      return [metric, new Map([...labels, ...added])];
    }),
  );
}

function isLinkBroken(url: string): boolean {
  const [file = '', anchor = ''] = url.slice(REPOSITORY.length).split('#', 2);
  return !url.startsWith(REPOSITORY) || !existsSync(path.join(ROOT, file)) || !anchorsOf(read(file)).has(anchor);
}

describe('what a collector exposes', () => {
  let metrics: ExposedMetrics;
  let close: () => Promise<void>;

  beforeAll(async () => {
    const fixture = (name: string): string => path.join(ROOT, 'test/fixtures/tls', name);
    const database = await makeEmbeddedDatabase();
    const collector = await startCollectorOn(database.spec, {
      console: { listen: { host: '127.0.0.1', port: 0 } },
      statistics: { activeWindowDays: 30, retainMs: 0 },
      tls: { certFile: fixture('server.crt'), keyFile: fixture('server.key') },
    });
    close = () => database.remove(() => collector.close());
    // The first rejection makes the series of rejections; the first garbage collection those of its durations.
    await (await fetch(`${collector.consoleUrl}/no-such-page`)).text();
    metrics = await vi.waitFor(async () => {
      void Array.from({ length: 200_000 }, (_, index) => ({ index }));
      const exposed = readExposition(await (await fetch(`${collector.consoleUrl}/metrics`)).text());
      if (!exposed.has('nodejs_gc_duration_seconds_sum')) throw new Error('no garbage was collected');
      return withPossibleValues(exposed);
    }, WAIT);
  });

  afterAll(() => close());

  test.each(EXPRESSIONS)('%s names metrics and labels that exist', (_, expression) => {
    expect(readPromql(expression).selectors).not.toHaveLength(0);
    expect(findPromqlProblems(expression, metrics)).toStrictEqual([]);
  });

  test('each metric of the collector is used', () => {
    const used = EXPRESSIONS.flatMap(([, expression]) => readPromql(expression).selectors.map(({ metric }) => metric));
    const usedNames = new Set(used.map((metric) => metric.replace(HISTOGRAM_SUFFIX, '')));
    const own = [...metrics.keys()].filter((metric) => metric.startsWith('spartakus_collector_'));

    expect(own.filter((metric) => !usedNames.has(metric.replace(HISTOGRAM_SUFFIX, '')))).toStrictEqual([]);
  });

  test('the legends and the texts of alerts name labels of their expressions', () => {
    const wrong = [
      ...queries.map(({ name, expr, legendFormat }) => ({ name, expr, text: legendFormat, pattern: /\{\{(\w+)\}\}/g })),
      ...alerts.map(({ alert, expr, annotations: { summary, description } }) => ({
        name: alert,
        expr,
        text: summary + description,
        pattern: /\$labels\.(\w+)/g,
      })),
    ].flatMap(({ name, expr, text, pattern }) =>
      [...text.matchAll(pattern)]
        .map(([, label = '']) => label)
        .filter((label) => !resultLabels(expr, metrics).includes(label))
        .map((label) => `${name}: ${label}`),
    );

    expect(wrong).toStrictEqual([]);
  });
});

describe('the dashboard', () => {
  test('has a title, a description and a place of its own for every panel', () => {
    const ids = dashboard.panels.map(({ id }) => id);
    const panels = dashboard.panels.filter(({ type }) => type !== 'row');
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`),
    );

    expect(ids.filter((id) => !Number.isInteger(id) || id < 1)).toStrictEqual([]);
    expect(new Set(ids).size).toBe(ids.length);
    expect(panels.filter(({ title, description = '' }) => title === '' || !description.endsWith('.'))).toStrictEqual(
      [],
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(dashboard.panels.filter(({ gridPos: { x, w } }) => x + w > COLUMNS)).toStrictEqual([]);
    expect(dashboard.uid).toMatch(/^[\w-]{8,40}$/);
  });

  test('asks the selected data source for the selected collectors', () => {
    const panels = dashboard.panels.filter(({ type }) => type !== 'row');
    const refIds = panels.map(({ targets = [] }) => targets.map(({ refId }) => refId));

    expect(dashboard.templating.list.map(({ name }) => name)).toStrictEqual(['datasource', 'job', 'instance']);
    for (const { datasource } of [...panels, ...queries])
      expect(datasource).toStrictEqual({ type: 'prometheus', uid: '${datasource}' });
    expect(refIds.filter((ids) => ids.length === 0 || new Set(ids).size < ids.length)).toStrictEqual([]);
    const unselected = queries.filter(({ expr }) =>
      readPromql(expr).selectors.some(({ matchers }) =>
        TARGET_LABELS.some((name) => !matchers.some(({ label, value }) => label === name && value === `$${name}`)),
      ),
    );
    expect(unselected).toStrictEqual([]);
  });

  test('links to sections that exist', () => {
    expect(dashboard.links.filter(({ url }) => isLinkBroken(url))).toStrictEqual([]);
  });
});

describe('the alerts', () => {
  test('have names of their own, a severity, a duration, and a link to a section that exists', () => {
    expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length);
    expect(alerts.filter(({ labels }) => !['critical', 'warning'].includes(labels.severity))).toStrictEqual([]);
    expect(alerts.filter((alert) => !/^\d+[mh]$/.test(alert.for))).toStrictEqual([]);
    expect(alerts.filter(({ annotations }) => isLinkBroken(annotations.runbook_url))).toStrictEqual([]);
  });

  test.each(alerts.map(({ alert, annotations }) => [alert, annotations] as const))(
    'the description of %s says what to do',
    (_, { summary, description }) => {
      expect(description).toMatch(/(?:^|[.;] )(?:Check|Enlarge|List|Look|Raise|Read|Renew|Send) .*\.$/);
      expect(description).not.toContain(summary);
    },
  );

  test('deploy/grafana/README.md lists them with their severities', () => {
    const listed = [...read('deploy/grafana/README.md').matchAll(/^\| (Spartakus\w+) \| (\w+) \|/gm)];

    expect(listed.map(([, name, severity]) => `${name} ${severity}`)).toStrictEqual(
      alerts.map(({ alert, labels }) => `${alert} ${labels.severity}`),
    );
  });

  test('each of them is expected to fire in a test for promtool', () => {
    const tests = ALERT_TESTS.map(read).join('');
    const expected = [...tests.matchAll(/alertname="(\w+)"/g), ...tests.matchAll(/alertname: (\w+)\n/g)];

    expect(new Set(expected.map(([, name]) => name))).toStrictEqual(new Set(alerts.map(({ alert }) => alert)));
  });
});

describe('promtool', () => {
  const { missing } = findPromtool();

  test('accepts the alerts, and they fire when they should', async ({ skip }) => {
    skip(missing !== undefined, missing);

    const checked = await runPromtool('check', 'rules', path.join(ROOT, ALERTS));
    const tested = await runPromtool('test', 'rules', ...ALERT_TESTS.map((file) => path.join(ROOT, file)));

    expect(checked).toContain(`${alerts.length} rules found`);
    expect(tested.match(/SUCCESS/g)).toHaveLength(ALERT_TESTS.length);
  });

  test('accepts every expression of the dashboard', async ({ skip }) => {
    skip(missing !== undefined, missing);
    const rules = EXPRESSIONS.map(([name, expr], index) => ({
      record: `expression:${index}`,
      labels: { name },
      expr: expr.replaceAll('$__rate_interval', '4m'),
    }));

    // JSON is YAML too.
    await withFiles({ 'rules.yaml': JSON.stringify({ groups: [{ name: 'dashboard', rules }] }) }, async (dir) => {
      const checked = await runPromtool('check', 'rules', path.join(dir, 'rules.yaml'));
      expect(checked).toContain(`${rules.length} rules found`);
    });
  });
});

describe('the reader of PromQL', () => {
  const KNOWN: ExposedMetrics = new Map([
    ['reports_total', new Map([['outcome', new Set(['stored', 'duplicate'])]])],
    ['up', new Map([['job', new Set<string>()]])],
  ]);

  test.each([
    ['sum by (outcome) (rate(reports_total{outcome=~"stored|duplicate"}[5m])) / 2 > 0.1', []],
    ['up{job="$job"} == 0 # a comment about no_such_metric', []],
    ['rate(reports[5m]) or up', ['there is no metric reports']],
    ['sum(reports_total{result="stored"})', ['reports_total has no label result']],
    ['reports_total{outcome=~"stored|lost"} offset 1d', ['outcome of reports_total is never lost']],
    ['sum(up) by (instance)', ['there is no label instance to group by']],
    [
      'up * on (job) group_left (version) build_info',
      ['there is no metric build_info', 'there is no label version to group by'],
    ],
  ])('of %s finds %j', (expression, expected) => {
    expect(findPromqlProblems(expression, KNOWN)).toStrictEqual(expected);
  });

  test.each([
    ["up{job='a{b}\\'c', job=~`x`}", 'unexpected'],
    ['quantile(0.9, up)', 'unknown function quantile'],
    ['{__name__=~"up|down"}', 'a selector without a metric'],
    ['sum by (job', 'ends too early'],
    ['rate up', 'unexpected up'],
  ])('%s is an error: %s', (expression, message) => {
    expect(() => readPromql(expression)).toThrow(message);
  });
});
