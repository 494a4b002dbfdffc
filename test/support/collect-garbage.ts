import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
setFlagsFromString('--no-expose-gc');

/** Frees everything that nothing refers to, so that the size of the heap tells what is kept. */
export function collectGarbage(): void {
  collect();
}
