import { INPUT_CHARS } from './patterns.ts';

const MAX_TEXTS = 256;

/** The same function, which keeps its results for some texts: the nodes of a cluster have few different values. */
export function remember(normalise: (text: string) => string): (text: string) => string {
  const results = new Map<string, string>();
  return (text) => {
    const known = results.get(text);
    if (known !== undefined) return known;
    const result = normalise(text);
    if (results.size >= MAX_TEXTS) results.clear();
    if (text.length <= INPUT_CHARS) results.set(text, result);
    return result;
  };
}
