const MAX_TEXTS = 512;
const MAX_CHARS = 64;

/** The same function, which keeps its results for some short texts: clusters have few different values. */
export function rememberResults<Result>(
  compute: (text: string) => Result,
  maxTexts = MAX_TEXTS,
  maxChars = MAX_CHARS,
): (text: string) => Result {
  const results = new Map<string, { readonly result: Result }>();
  return (text) => {
    const known = results.get(text);
    if (known !== undefined) return known.result;
    const result = compute(text);
    if (text.length > maxChars) return result;
    if (results.size >= maxTexts) results.clear();
    results.set(text, { result });
    return result;
  };
}
