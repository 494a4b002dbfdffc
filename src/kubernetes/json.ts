// Lookups in JSON of unknown shape. Where a path has no value of the type, they return undefined.

export function pick(value: unknown, ...path: readonly string[]): unknown {
  let current = value;
  for (const name of path) {
    if (typeof current !== 'object' || current === null || Array.isArray(current) || !Object.hasOwn(current, name))
      return undefined;
    current = (current as Readonly<Record<string, unknown>>)[name];
  }
  return current;
}

/** Undefined for an empty text too. */
export function textAt(value: unknown, ...path: readonly string[]): string | undefined {
  const text = pick(value, ...path);
  return typeof text === 'string' && text !== '' ? text : undefined;
}

export function flagAt(value: unknown, ...path: readonly string[]): boolean | undefined {
  const flag = pick(value, ...path);
  return typeof flag === 'boolean' ? flag : undefined;
}

/** An integer from 0 to 2^32 - 1. */
export function countAt(value: unknown, ...path: readonly string[]): number | undefined {
  const count = pick(value, ...path);
  return typeof count === 'number' && Number.isInteger(count) && count >= 0 && count < 2 ** 32 ? count : undefined;
}

/** Empty where there is no list, because Go encodes an empty list as null. */
export function listAt(value: unknown, ...path: readonly string[]): readonly unknown[] {
  const list = pick(value, ...path);
  return Array.isArray(list) ? (list as readonly unknown[]) : [];
}
