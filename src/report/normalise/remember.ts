import { rememberResults } from '../../runtime/remember.ts';
import { INPUT_CHARS } from './patterns.ts';

const MAX_TEXTS = 256;

/** The same function, which keeps its results for some texts: the nodes of a cluster have few different values. */
export function remember(normalise: (text: string) => string): (text: string) => string {
  return rememberResults(normalise, MAX_TEXTS, INPUT_CHARS);
}
