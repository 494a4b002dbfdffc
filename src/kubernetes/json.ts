// What is looked up in JSON of which nothing is known: each path is named where it is read, and everything beside it stays unread.

/** What stands at a path of names; undefined where anything on the way is no object or has no such name. */
export function pick(value: unknown, ...path: readonly string[]): unknown {
  let here = value;
  for (const name of path) {
    if (typeof here !== 'object' || here === null || Array.isArray(here) || !Object.hasOwn(here, name))
      return undefined;
    here = (here as Readonly<Record<string, unknown>>)[name];
  }
  return here;
}

/** The text at a path; undefined where there is none, or an empty one. */
export function textAt(value: unknown, ...path: readonly string[]): string | undefined {
  const text = pick(value, ...path);
  return typeof text === 'string' && text !== '' ? text : undefined;
}

/** The boolean at a path; undefined where there is none. */
export function flagAt(value: unknown, ...path: readonly string[]): boolean | undefined {
  const flag = pick(value, ...path);
  return typeof flag === 'boolean' ? flag : undefined;
}

/** The whole number from 0 to 2^32 - 1 at a path; undefined where there is none. */
export function countAt(value: unknown, ...path: readonly string[]): number | undefined {
  const count = pick(value, ...path);
  return typeof count === 'number' && Number.isInteger(count) && count >= 0 && count < 2 ** 32 ? count : undefined;
}

/** The list at a path; an empty one where there is none. */
export function listAt(value: unknown, ...path: readonly string[]): readonly unknown[] {
  const list = pick(value, ...path);
  return Array.isArray(list) ? (list as readonly unknown[]) : [];
}
