import * as fc from 'fast-check';

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Values that are often handled wrongly. */
const NASTY: readonly Json[] = [
  null,
  true,
  0,
  -1,
  1e308,
  '',
  '\0',
  '$where',
  '\ud800',
  '__proto__',
  [],
  {},
  [[]],
  [null],
  { $gt: '' },
  { a: { b: {} } },
];

/** A JSON value in which one value is replaced, or a key is removed, renamed, or duplicated in upper case. */
function mutateJson(json: Json): fc.Arbitrary<Json> {
  const here: fc.Arbitrary<Json> = fc.oneof(fc.constantFrom(...NASTY), fc.jsonValue() as fc.Arbitrary<Json>);
  if (Array.isArray(json) && json.length > 0) {
    const list = json as readonly Json[];
    const inside = fc
      .nat(list.length - 1)
      .chain((index) => mutateJson(list[index] ?? null).map((item): Json => list.toSpliced(index, 1, item)));
    return fc.oneof({ weight: 4, arbitrary: inside }, here);
  }
  if (typeof json === 'object' && json !== null && !Array.isArray(json)) {
    const entries = Object.entries(json);
    if (entries.length === 0) return here;
    const inside = fc.nat(entries.length - 1).chain((index) => {
      const [key = '', value = null] = entries[index] ?? [];
      const replaced = (next: readonly (readonly [string, Json])[]): Json =>
        Object.fromEntries(entries.toSpliced(index, 1, ...(next as [string, Json][])));
      return fc.oneof(
        { weight: 6, arbitrary: mutateJson(value).map((item) => replaced([[key, item]])) },
        fc.constant(replaced([])),
        mutateJson(value).map((item) =>
          replaced([
            [key, value],
            [key.toUpperCase(), item],
          ]),
        ),
        fc.constantFrom('__proto__', '$set', 'a.b', 'constructor', '').map((name) => replaced([[name, value]])),
      );
    });
    return fc.oneof({ weight: 4, arbitrary: inside }, here);
  }
  return here;
}

/** Bytes of which a part is cut off, removed, duplicated or overwritten. */
function mutateBytes(bytes: Buffer): fc.Arbitrary<Buffer> {
  const position = fc.nat(bytes.length);
  return fc.oneof(
    position.map((end) => bytes.subarray(0, end)),
    fc.tuple(position, position).map(([from, to]) => Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)])),
    fc
      .tuple(position, fc.uint8Array({ minLength: 1, maxLength: 4 }))
      .map(([at, patch]) => Buffer.concat([bytes.subarray(0, at), patch, bytes.subarray(at + patch.length)])),
  );
}

/** Bodies that differ from a sample in one or two places: some are still valid, most are broken in their values or in their bytes. */
export function brokenBodies(sample: string): fc.Arbitrary<Buffer> {
  const json = JSON.parse(sample) as Json;
  const values = mutateJson(json)
    .chain((once) => fc.oneof(fc.constant(once), mutateJson(once)))
    .map((mutated) => Buffer.from(JSON.stringify(mutated)));
  return fc.oneof({ weight: 3, arbitrary: values }, mutateBytes(Buffer.from(sample)));
}
