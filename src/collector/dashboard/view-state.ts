/** What the page shows. It lives in the address, so that a view can be shared and the back button works. */
export interface ViewState {
  readonly range: Range;
  readonly detail: 'summary' | 'full';
  readonly count: 'clusters' | 'nodes';
  readonly show: 'share' | 'number';
  /** The questions that are shown over time, and those that are shown now, where that is not their default. */
  readonly time: readonly string[];
  readonly now: readonly string[];
}

export const RANGES = ['30d', '90d', '1y', '3y'] as const;
export type Range = (typeof RANGES)[number];

/** The service answers for at most 1,100 days. */
export const RANGE_DAYS: Readonly<Record<Range, number>> = { '30d': 30, '90d': 90, '1y': 365, '3y': 1_095 };

export const DEFAULT_VIEW: ViewState = {
  range: '1y',
  detail: 'summary',
  count: 'clusters',
  show: 'share',
  time: [],
  now: [],
};

/** Takes the default for every parameter that is absent or unknown. */
export function readViewState(search: string): ViewState {
  const parameters = new URLSearchParams(search);
  const choose = <Value extends string>(name: string, values: readonly Value[], otherwise: Value): Value =>
    values.find((value) => value === parameters.get(name)) ?? otherwise;
  return {
    range: choose('range', RANGES, DEFAULT_VIEW.range),
    detail: choose('detail', ['summary', 'full'], DEFAULT_VIEW.detail),
    count: choose('count', ['clusters', 'nodes'], DEFAULT_VIEW.count),
    show: choose('show', ['share', 'number'], DEFAULT_VIEW.show),
    time: readList(parameters.get('time')),
    now: readList(parameters.get('now')),
  };
}

/** The query string, without the parameters that have their defaults; empty where all have. */
export function writeViewState(view: ViewState): string {
  const parameters = new URLSearchParams();
  for (const name of ['range', 'count', 'show', 'detail'] as const)
    if (view[name] !== DEFAULT_VIEW[name]) parameters.set(name, view[name]);
  for (const name of ['time', 'now'] as const) if (view[name].length > 0) parameters.set(name, view[name].join(','));
  const text = parameters.toString().replaceAll('%2C', ',');
  return text === '' ? '' : `?${text}`;
}

/** Whether a question is shown over time, where `byDefault` says what applies without a choice. */
export function isOverTime(view: ViewState, id: string, byDefault: boolean): boolean {
  if (view.time.includes(id)) return true;
  return byDefault && !view.now.includes(id);
}

export function withOverTime(view: ViewState, id: string, byDefault: boolean, overTime: boolean): ViewState {
  const time = view.time.filter((each) => each !== id);
  const now = view.now.filter((each) => each !== id);
  if (overTime === byDefault) return { ...view, time, now };
  return overTime ? { ...view, time: [...time, id], now } : { ...view, time, now: [...now, id] };
}

function readList(text: string | null): readonly string[] {
  return [...new Set((text ?? '').split(',').filter((entry) => entry !== ''))];
}
