/**
 * The figures of a day, computed by plain loops over raw documents. It shares no code with the program, so that the two can be compared.
 */
export interface PlainReport {
  readonly _id: string;
  readonly clusterID: string;
  readonly receivedAt: Date;
  readonly observedAt?: Date;
  readonly quarantined?: boolean;
  readonly masterVersion?: string;
  readonly nodes?: readonly {
    readonly osImage?: string;
    readonly architecture?: string;
    readonly capacity?: readonly { readonly resource: string; readonly value: string }[];
  }[];
  readonly namespaces?: number;
  readonly extensions?: readonly { readonly name: string }[];
}

const DAY_MS = 86_400_000;

export function plainDay(date: Date): string {
  return date.toISOString().slice(0, 10);
}

function shiftDay(day: string, days: number): string {
  return plainDay(new Date(Date.parse(day) + days * DAY_MS));
}

function timeOf({ observedAt, receivedAt }: PlainReport): Date {
  if (observedAt === undefined) return receivedAt;
  const [observed, received] = [plainDay(observedAt), plainDay(receivedAt)];
  const isPlausible = observed <= shiftDay(received, 1) && observed >= shiftDay(received, -400);
  return isPlausible ? observedAt : receivedAt;
}

function sortKey(report: PlainReport): string {
  return [timeOf(report).toISOString(), report.receivedAt.toISOString(), report._id].join(' ');
}

/** All figures of a day that the test compares. */
export function plainPoint(all: readonly PlainReport[], day: string, activeWindowDays: number): object {
  const byCluster = new Map<string, PlainReport[]>();
  for (const report of all) {
    if (report.quarantined === true || plainDay(timeOf(report)) > day) continue;
    byCluster.set(report.clusterID, [...(byCluster.get(report.clusterID) ?? []), report]);
  }
  const inactiveSince = shiftDay(day, -activeWindowDays);
  const values = new Map<string, Map<string, { clusters: number; nodes: number }>>();
  const reporting = new Map<string, number>();
  const totals = { clusters: 0, nodes: 0, newClusters: 0, returningClusters: 0, lostClusters: 0 };
  const sizes: number[] = [];
  const cpus: number[] = [];
  const cohorts = new Map<string, Map<string, number>>();
  const upgrades = new Map<string, number[]>();
  const add = (question: string, counts: ReadonlyMap<string, number>): void => {
    if (counts.size === 0) return;
    reporting.set(question, (reporting.get(question) ?? 0) + 1);
    const into = values.get(question) ?? new Map<string, { clusters: number; nodes: number }>();
    values.set(question, into);
    for (const [value, nodes] of counts) {
      const before = into.get(value) ?? { clusters: 0, nodes: 0 };
      into.set(value, { clusters: before.clusters + 1, nodes: before.nodes + nodes });
    }
  };
  for (const unordered of byCluster.values()) {
    const reports = unordered.toSorted((left, right) => (sortKey(left) < sortKey(right) ? -1 : 1));
    const days = [...new Set(reports.map((report) => plainDay(timeOf(report))))];
    const last = reports.at(-1)!;
    const lastDay = days.at(-1)!;
    if (days[0] === day) totals.newClusters += 1;
    if (lastDay === day && days.length > 1 && days.at(-2)! < inactiveSince) totals.returningClusters += 1;
    if (lastDay === inactiveSince) totals.lostClusters += 1;
    const cohort = days[0]!.slice(0, 7);
    const months = cohorts.get(cohort) ?? new Map<string, number>();
    cohorts.set(cohort, months);
    for (const month of new Set(days.map((each) => each.slice(0, 7)))) months.set(month, (months.get(month) ?? 0) + 1);
    if (lastDay <= inactiveSince) continue;
    totals.clusters += 1;
    const { nodes = [], masterVersion, extensions = [] } = last;
    totals.nodes += nodes.length;
    if (nodes.length > 0) sizes.push(nodes.length);
    if (masterVersion !== undefined) {
      add('masterVersion', new Map([[masterVersion, 0]]));
      add('masterVersion coarse', new Map([[minorOf(masterVersion), 0]]));
    }
    const images = new Map<string, number>();
    for (const { osImage } of nodes) if (osImage !== undefined) images.set(osImage, (images.get(osImage) ?? 0) + 1);
    add('nodes/osImage', images);
    add('extensions', new Map(extensions.map(({ name }) => [name, 0])));
    const cpu = sum(nodes.flatMap(({ capacity = [] }) => capacity.map(({ value }) => Number(value))));
    if (cpu > 0) cpus.push(cpu);
    for (const [pair, ms] of upgradesOf(reports, day)) upgrades.set(pair, [...(upgrades.get(pair) ?? []), ms]);
  }
  return {
    ...totals,
    values: Object.fromEntries(
      [...values].map(([question, counts]) => [
        question,
        { reporting: reporting.get(question), counts: Object.fromEntries(counts) },
      ]),
    ),
    sizes: { clusters: sizes.length, total: sum(sizes), median: median(sizes) },
    cpus: { clusters: cpus.length, total: sum(cpus) },
    cohorts: Object.fromEntries([...cohorts].map(([cohort, months]) => [cohort, Object.fromEntries(months)])),
    upgrades: Object.fromEntries(
      [...upgrades].map(([pair, days]) => [pair, { clusters: days.length, medianDays: median(days) }]),
    ),
  };
}

function minorOf(version: string): string {
  return version.split('.').slice(0, 2).join('.').replace('v', '');
}

/** A version counts from the first day of a month on which it was reported. */
function upgradesOf(reports: readonly PlainReport[], day: string): ReadonlyMap<string, number> {
  const firsts = new Map<string, { readonly minor: string; readonly day: string }>();
  for (const report of reports) {
    if (report.masterVersion === undefined) continue;
    const minor = minorOf(report.masterVersion);
    const reported = plainDay(timeOf(report));
    const key = `${reported.slice(0, 7)} ${minor}`;
    if (!firsts.has(key)) firsts.set(key, { minor, day: reported });
  }
  const ordered = [...firsts.values()].toSorted((left, right) =>
    `${left.day} ${left.minor}` < `${right.day} ${right.minor}` ? -1 : 1,
  );
  const changes = new Map<string, number>();
  let before: { readonly minor: string; readonly day: string } | undefined;
  for (const run of ordered) {
    if (run.minor === before?.minor) continue;
    if (before !== undefined && run.day > shiftDay(day, -365))
      changes.set(`${before.minor} to ${run.minor}`, (Date.parse(run.day) - Date.parse(before.day)) / DAY_MS);
    before = run;
  }
  return changes;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((all, each) => all + each, 0);
}

function median(numbers: readonly number[]): number | undefined {
  return numbers.toSorted((left, right) => left - right)[Math.ceil(numbers.length / 2) - 1];
}
