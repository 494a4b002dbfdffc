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
