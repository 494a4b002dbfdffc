/** The value of a formula such as "max(500, 0.05 * clusters) / 2": numbers, names, + - * / and the functions max, min and ceil. */
export function evaluate(formula: string, values: ReadonlyMap<string, number>): number {
  const tokens = formula.match(/\d+(?:\.\d+)?|[A-Za-z]\w*|[-+*/(),]/g) ?? [];
  if (tokens.join('') !== formula.replaceAll(/\s/g, '')) throw new Error(`not a formula: ${formula}`);
  let at = 0;
  const take = (...expected: readonly string[]): string | undefined =>
    expected.includes(tokens[at] ?? '') ? tokens[at++] : undefined;
  const skip = (token: string): void => {
    if (take(token) === undefined) throw new Error(`${formula}: expected ${token} before ${tokens[at] ?? 'the end'}`);
  };
  const sum = (): number => {
    let value = product();
    for (let operator = take('+', '-'); operator !== undefined; operator = take('+', '-'))
      value += operator === '+' ? product() : -product();
    return value;
  };
  const product = (): number => {
    let value = atom();
    for (let operator = take('*', '/'); operator !== undefined; operator = take('*', '/'))
      value *= operator === '*' ? atom() : 1 / atom();
    return value;
  };
  const atom = (): number => {
    if (take('(') !== undefined) {
      const value = sum();
      skip(')');
      return value;
    }
    const token = tokens[at++] ?? 'nothing';
    if (/^\d/.test(token)) return Number(token);
    const apply = FUNCTIONS.get(token);
    if (apply !== undefined) {
      skip('(');
      const args = [sum()];
      while (take(',') !== undefined) args.push(sum());
      skip(')');
      return apply(...args);
    }
    const value = values.get(token);
    if (value === undefined) throw new Error(`${formula}: ${token} has no value`);
    return value;
  };
  const result = sum();
  if (at < tokens.length) throw new Error(`${formula}: unexpected ${tokens[at] ?? ''}`);
  return result;
}

const FUNCTIONS: ReadonlyMap<string, (...values: readonly number[]) => number> = new Map([
  ['max', Math.max],
  ['min', Math.min],
  ['ceil', Math.ceil],
]);
