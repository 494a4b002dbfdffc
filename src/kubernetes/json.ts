// Lookups in JSON of unknown shape: only the named paths are read.

/** The value at a path; undefined where there is none. */
export function pick(value: unknown, ...path: readonly string[]): unknown {
  let current = value;
  for (const name of path) {
    if (typeof current !== 'object' || current === null || Array.isArray(current) || !Object.hasOwn(current, name))
      return undefined;
    current = (current as Readonly<Record<string, unknown>>)[name];
  }
  return current;
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

/** The list at a path; an empty one where there is none. Go encodes an empty list as null. */
export function listAt(value: unknown, ...path: readonly string[]): readonly unknown[] {
  const list = pick(value, ...path);
  return Array.isArray(list) ? (list as readonly unknown[]) : [];
}
