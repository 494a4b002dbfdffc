import type { ExposedMetrics } from './exposition.ts';

/** What an expression of PromQL refers to. */
interface PromqlReferences {
  readonly selectors: readonly PromqlSelector[];
  /** The labels of `by`, `without`, `on`, `ignoring`, `group_left` and `group_right`. */
  readonly labels: readonly string[];
}

interface PromqlSelector {
  readonly metric: string;
  readonly matchers: readonly LabelMatcher[];
}

interface LabelMatcher {
  readonly label: string;
  readonly operator: string;
  readonly value: string;
}

interface Token {
  readonly kind: 'name' | 'string' | 'number' | 'variable' | 'symbol';
  readonly text: string;
}

const LABEL_LISTS = ['by', 'without', 'on', 'ignoring', 'group_left', 'group_right'];
const OPERATORS = ['and', 'or', 'unless', 'atan2', 'bool', 'offset'];
/** Those that the dashboard and the alerts use: another one is added here, and so is never taken for a metric. */
const FUNCTIONS = 'absent changes histogram_quantile increase max min predict_linear rate sum time vector'.split(' ');
/** White space and comments; strings; variables of Grafana; names; numbers and durations; operators and brackets. */
const TOKEN =
  /(?<skip>\s+|#.*)|(?<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?<variable>\$\w+|\$\{\w+\})|(?<name>[A-Za-z_:][\w:]*)|(?<number>\d[\w.]*)|(?<symbol>=~|!~|!=|==|<=|>=|[-+*/%^<>=(){}[\],:@])/y;

/**
 * Reads what an expression refers to. It does not check the grammar, which promtool does.
 *
 * @throws Error for whatever it does not know, so that it misses no metric
 */
export function readPromql(expression: string): PromqlReferences {
  const tokens = tokensOf(expression);
  const selectors: PromqlSelector[] = [];
  const labels: string[] = [];
  let at = 0;
  const next = (...allowed: readonly string[]): Token => {
    const token = tokens[at];
    if (token === undefined) throw new Error(`the expression ends too early: ${expression}`);
    if (!allowed.includes(token.text) && !allowed.includes(token.kind))
      throw new Error(`unexpected ${token.text} in: ${expression}`);
    at += 1;
    return token;
  };
  const isNext = (text: string): boolean => tokens[at]?.text === text;
  /** A list with commas between brackets, of which the first is read already. */
  const readList = (end: string, readItem: () => void): void => {
    while (!isNext(end)) {
      readItem();
      if (!isNext(end)) next(',');
    }
    next(end);
  };
  const readMatchers = (): readonly LabelMatcher[] => {
    const matchers: LabelMatcher[] = [];
    readList('}', () => {
      const label = next('name').text;
      const operator = next('=', '!=', '=~', '!~').text;
      matchers.push({ label, operator, value: next('string').text.slice(1, -1) });
    });
    return matchers;
  };
  const readName = (name: string): void => {
    if (LABEL_LISTS.includes(name)) {
      next('(');
      readList(')', () => labels.push(next('name').text));
    } else if (FUNCTIONS.includes(name)) {
      if (!isNext('(') && !LABEL_LISTS.includes(tokens[at]?.text ?? '')) next('(');
    } else if (!OPERATORS.includes(name)) {
      if (isNext('(')) throw new Error(`unknown function ${name} in: ${expression}`);
      const hasMatchers = isNext('{');
      if (hasMatchers) next('{');
      selectors.push({ metric: name, matchers: hasMatchers ? readMatchers() : [] });
    }
  };
  while (at < tokens.length) {
    const { kind, text } = next('name', 'string', 'number', 'variable', 'symbol');
    if (kind === 'name') readName(text);
    else if (text === '{') throw new Error(`a selector without a metric in: ${expression}`);
  }
  return { selectors, labels };
}

/**
 * Whether an expression only refers to what exists.
 *
 * @param known the metrics with the labels and values that they can have
 * @returns one text per problem
 */
export function findPromqlProblems(expression: string, known: ExposedMetrics): string[] {
  const { selectors, labels } = readPromql(expression);
  const inSelectors = selectors.flatMap(({ metric, matchers }) => {
    const found = known.get(metric);
    if (found === undefined) return [`there is no metric ${metric}`];
    return matchers.flatMap(({ label, value }) => {
      const values = found.get(label);
      if (values === undefined) return [`${metric} has no label ${label}`];
      const alternatives = value.startsWith('$') ? [] : value.split('|');
      return alternatives.filter((one) => !values.has(one)).map((one) => `${label} of ${metric} is never ${one}`);
    });
  });
  const inLists = labels
    .filter((label) => !selectors.some(({ metric }) => known.get(metric)?.has(label) === true))
    .map((label) => `there is no label ${label} to group by`);
  return [...inSelectors, ...inLists];
}

function tokensOf(expression: string): readonly Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < expression.length) {
    const from = TOKEN.lastIndex;
    const groups = TOKEN.exec(expression)?.groups;
    if (groups === undefined) throw new Error(`unexpected ${expression.slice(from, from + 10)} in: ${expression}`);
    for (const kind of ['string', 'variable', 'name', 'number', 'symbol'] as const) {
      const text = groups[kind];
      if (text !== undefined) tokens.push({ kind, text });
    }
  }
  return tokens;
}
