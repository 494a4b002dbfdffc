import { Measure } from '../../../gen/spartakus/options/v1/options_pb.js';
import {
  type AmountCount,
  type CohortsPoint,
  type DayPoint,
  MAX_VALUES,
  PERCENTS,
  type PointAnswer,
  type SizesPoint,
  type UpgradesPoint,
  type ValueCount,
  type ValuesPoint,
} from './day-point.ts';
import { type Day, monthOf, monthsBetween } from './days.ts';
import { bucketOf } from './fact-readers.ts';
import {
  COHORTS,
  type CountedField,
  ENTRY,
  SEPARATOR,
  type Tally,
  type TallyEntry,
  TOTALS,
  UPGRADES,
  hasCoarseValues,
} from './tally.ts';

interface RenderOptions extends Pick<DayPoint, 'computedAt' | 'activeWindowDays'> {
  readonly day: Day;
  readonly fields: readonly CountedField[];
}

type Entries = ReadonlyMap<string, TallyEntry>;

const NONE: Entries = new Map();
const MAX_RESOURCES = 200;

/** The document of a day from its sums. It depends on nothing but the sums, so the same reports give the same document. */
export function renderPoint(tally: Tally, { day, computedAt, activeWindowDays, fields }: RenderOptions): DayPoint {
  const total = (name: string): number => tally.get(TOTALS)?.get(name)?.clusters ?? 0;
  const answers: Record<string, PointAnswer> = {};
  for (const field of fields) answers[field.key] = renderAnswer(field, tally.get(field.key) ?? NONE);
  answers[UPGRADES] = renderUpgrades(tally.get(UPGRADES) ?? NONE);
  answers[COHORTS] = renderCohorts(tally.get(COHORTS) ?? NONE, monthOf(day), total('clusters'));
  return {
    _id: day,
    computedAt,
    activeWindowDays,
    clusters: total('clusters'),
    nodes: tally.get(TOTALS)?.get('clusters')?.amount ?? 0,
    newClusters: total('newClusters'),
    returningClusters: total('returningClusters'),
    lostClusters: total('lostClusters'),
    answers,
  };
}

function renderAnswer(field: CountedField, entries: Entries): PointAnswer {
  switch (field.measure) {
    case Measure.SIZE:
    case Measure.RANGE:
    case Measure.HISTOGRAM:
      return renderSizes(field, entries);
    case Measure.QUANTITY:
      return { kind: 'amounts', reporting: reportingOf(entries), amounts: renderAmounts(entries) };
    case Measure.UNSPECIFIED:
    case Measure.WORD:
    case Measure.VERSION:
    case Measure.NAME_AND_VERSION:
    case Measure.KEY:
      return renderValues(field, entries);
  }
}

function reportingOf(entries: Entries): number {
  return entries.get(ENTRY.reporting)?.clusters ?? 0;
}

/** The entries whose names begin with a letter, without it. */
function entriesOf(entries: Entries, letter: string): readonly (readonly [name: string, entry: TallyEntry])[] {
  return [...entries].flatMap(([name, entry]) => (name.startsWith(letter) ? [[name.slice(1), entry] as const] : []));
}

function renderValues({ measure, ofNodes }: CountedField, entries: Entries): ValuesPoint {
  const list = (letter: string): ValueCount[] =>
    entriesOf(entries, letter)
      .map(([value, { clusters, amount }]) => ({ value, clusters, ...(ofNodes ? { nodes: amount } : {}) }))
      .toSorted((left, right) => right.clusters - left.clusters || (left.value < right.value ? -1 : 1));
  const fine = list(ENTRY.fine);
  // The names of extensions are their own coarse values, unless the operator counts some by value.
  const hasCoarse =
    hasCoarseValues(measure) && (measure !== Measure.KEY || fine.some(({ value }) => value.includes('=')));
  const rest = fine.slice(MAX_VALUES);
  const sum = (numberOf: (each: ValueCount) => number): number => rest.reduce((all, each) => all + numberOf(each), 0);
  return {
    kind: 'values',
    reporting: reportingOf(entries),
    values: fine.slice(0, MAX_VALUES),
    ...(hasCoarse ? { coarse: list(ENTRY.coarse).slice(0, MAX_VALUES) } : {}),
    ...(rest.length === 0
      ? {}
      : {
          rest: {
            values: rest.length,
            clusters: sum(({ clusters }) => clusters),
            ...(ofNodes ? { nodes: sum(({ nodes = 0 }) => nodes) } : {}),
          },
        }),
  };
}

function renderSizes({ measure }: CountedField, entries: Entries): SizesPoint {
  const sizes = entriesOf(entries, ENTRY.size)
    .map(([size, { clusters }]) => ({ size: Number(size), clusters }))
    .toSorted((left, right) => left.size - right.size);
  const buckets = new Map<number, number>();
  for (const { size, clusters } of sizes) buckets.set(bucketOf(size), (buckets.get(bucketOf(size)) ?? 0) + clusters);
  const reporting = reportingOf(entries);
  const amount = {
    name: '',
    clusters: reporting,
    total: sizes.reduce((sum, { size, clusters }) => sum + size * clusters, 0),
    percentiles: percentilesOf(sizes.map(({ size, clusters }) => ({ value: size, clusters }))),
  };
  return {
    kind: 'sizes',
    reporting,
    buckets: [...buckets].map(([atLeast, clusters]) => ({ atLeast, clusters })),
    ...(measure === Measure.SIZE && reporting > 0 ? { amount } : {}),
  };
}

function renderAmounts(entries: Entries): AmountCount[] {
  const classes = entriesOf(entries, ENTRY.amount).map(([key, { clusters, amount }]) => {
    const [name = '', size = ''] = key.split(SEPARATOR);
    return { name, size: Number(size), clusters, amount };
  });
  return [...Map.groupBy(classes, ({ name }) => name)]
    .map(([name, unordered]) => {
      const members = unordered.toSorted((left, right) => left.size - right.size);
      const means = members.map(({ clusters, amount }) => ({ value: rounded(amount / clusters), clusters }));
      return {
        name,
        clusters: members.reduce((sum, { clusters }) => sum + clusters, 0),
        total: rounded(members.reduce((sum, { amount }) => sum + amount, 0)),
        percentiles: percentilesOf(means),
      };
    })
    .toSorted((left, right) => right.clusters - left.clusters || (left.name < right.name ? -1 : 1))
    .slice(0, MAX_RESOURCES);
}

/** Without the errors of sums in another order, which sums of whole numbers do not have below 2^53. */
function rounded(amount: number): number {
  return Number.isSafeInteger(amount) ? amount : Number(amount.toPrecision(12));
}

/** By the nearest rank: the smallest value that so many percent of the clusters do not exceed. */
function percentilesOf(
  ascending: readonly { readonly value: number; readonly clusters: number }[],
  percents: readonly number[] = PERCENTS,
): number[] {
  const all = ascending.reduce((sum, { clusters }) => sum + clusters, 0);
  if (all === 0) return [];
  return percents.map((percent) => {
    let below = 0;
    const found = ascending.find(({ clusters }) => (below += clusters) * 100 >= percent * all);
    return found?.value ?? 0;
  });
}

function renderCohorts(entries: Entries, month: string, reporting: number): CohortsPoint {
  const rows = entriesOf(entries, ENTRY.other).map(([key, { clusters }]) => {
    const [cohort = '', active = ''] = key.split(SEPARATOR);
    return { cohort, age: monthsBetween(cohort, active), clusters };
  });
  const cohorts = [...Map.groupBy(rows, ({ cohort }) => cohort)]
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([cohort, members]) => {
      const active = Array.from({ length: monthsBetween(cohort, month) + 1 }, () => 0);
      for (const { age, clusters } of members) active[age] = clusters;
      // Every cluster reports in the month of its first report.
      return { month: cohort, clusters: active[0] ?? 0, active };
    });
  return { kind: 'cohorts', reporting, cohorts };
}

function renderUpgrades(entries: Entries): UpgradesPoint {
  const rows = entriesOf(entries, ENTRY.other).map(([key, { clusters }]) => {
    const [from = '', to = '', days = ''] = key.split(SEPARATOR);
    return { change: `${from} ${to}`, from, to, value: Number(days), clusters };
  });
  const upgrades = [...Map.groupBy(rows, ({ change }) => change)]
    .map(([change, members]) => {
      const ascending = members.toSorted((left, right) => left.value - right.value);
      const [{ from, to } = { from: '', to: '' }] = ascending;
      const clusters = ascending.reduce((sum, each) => sum + each.clusters, 0);
      return { change, from, to, clusters, medianDays: percentilesOf(ascending, [50])[0] ?? 0 };
    })
    .toSorted((left, right) => right.clusters - left.clusters || (left.change < right.change ? -1 : 1))
    .slice(0, MAX_VALUES)
    .map(({ change: _change, ...upgrade }) => upgrade);
  return { kind: 'upgrades', reporting: reportingOf(entries), upgrades };
}
