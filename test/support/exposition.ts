/** The values of each label, by metric: of everything that has a sample in Prometheus' text format. */
export type ExposedMetrics = ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>>;

export function readExposition(text: string): ExposedMetrics {
  const metrics = new Map<string, Map<string, Set<string>>>();
  for (const line of text.split('\n').filter((one) => one !== '' && !one.startsWith('#'))) {
    const groups = /^(?<metric>[\w:]+)(?:\{(?<labels>.*)\})? \S+$/.exec(line)?.groups;
    if (groups === undefined) throw new Error(`not a sample: ${line}`);
    const { metric = '', labels = '' } = groups;
    const known = metrics.get(metric) ?? new Map<string, Set<string>>();
    metrics.set(metric, known);
    for (const [, label = '', value = ''] of labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g))
      known.set(label, (known.get(label) ?? new Set()).add(value));
  }
  return metrics;
}

/** The value of each series in Prometheus' text format, by its name, which is without the prefix of the collector, and its labels. */
export function readSamples(text: string): ReadonlyMap<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at).replace('spartakus_collector_', ''), Number(line.slice(at + 1))] as const;
    }),
  );
}
