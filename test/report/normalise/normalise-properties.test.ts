import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { normaliseContainerRuntime } from '../../../src/report/normalise/container-runtime.ts';
import { normaliseKernelVersion } from '../../../src/report/normalise/kernel-version.ts';
import { normaliseKubernetesVersion } from '../../../src/report/normalise/kubernetes-version.ts';
import { normaliseOsImage } from '../../../src/report/normalise/os-image.ts';
import { OUTPUT_CHARS } from '../../../src/report/normalise/patterns.ts';
import { normaliseArchitecture, normaliseOperatingSystem } from '../../../src/report/normalise/platform.ts';
import { normaliseResourceName } from '../../../src/report/normalise/resource-name.ts';
import fixture from '../../fixtures/values/node-values.json' with { type: 'json' };

/** fast-check prints the seed of a failure. */
const settings = { numRuns: 2000 };

const fields = [
  ['osImage', normaliseOsImage, fixture.osImage],
  ['kernelVersion', normaliseKernelVersion, fixture.kernelVersion],
  ['kubeletVersion', normaliseKubernetesVersion, fixture.kubeletVersion],
  ['containerRuntimeVersion', normaliseContainerRuntime, fixture.containerRuntimeVersion],
  ['resourceName', normaliseResourceName, fixture.resourceName],
  ['operatingSystem', normaliseOperatingSystem, fixture.operatingSystem],
  ['architecture', normaliseArchitecture, fixture.architecture],
] as const;

/** A word that no list has: at least eight letters and digits, with two of each at least. */
const word = fc
  .string({ unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789'.split('')), minLength: 8, maxLength: 24 })
  .filter((text) => (text.match(/[a-z]/g) ?? []).length >= 3 && (text.match(/\d/g) ?? []).length >= 2)
  .filter((text) => !/^(?:[a-z]{1,12}\d{1,7}){1,3}$/.test(text));
/** No date, and longer than any number that is kept. */
const digits = fc
  .string({ unit: fc.constantFrom(...'0123456789'.split('')), minLength: 8, maxLength: 20 })
  .filter((text) => !text.startsWith('20') && !text.startsWith('7606'));
const octet = fc.integer({ min: 0, max: 255 });
const secret = fc.oneof(
  word,
  digits,
  fc.uuid(),
  word.map((text) => `jane.${text}@acme.example`),
  word.map((text) => `db-01.${text}.example`),
  word.map((text) => text.toUpperCase()),
  fc.tuple(fc.integer({ min: 10, max: 255 }), octet, octet, octet).map((octets) => octets.join('.')),
);

describe.each(fields)('%s', (_, normalise, examples) => {
  /** Text of any kind, and what nodes report with a part replaced. */
  const example = fc.constantFrom(...examples.map(({ value }) => value));
  const mutated = fc
    .tuple(example, fc.nat(), fc.nat(4), fc.string({ unit: 'binary', maxLength: 40 }))
    .map(([value, at, removed, text]) => {
      const position = at % (value.length + 1);
      return value.slice(0, position) + text + value.slice(position + removed);
    });
  const anything = fc.oneof(example, mutated, fc.string({ unit: 'binary', maxLength: 400 }), fc.string());

  test('the output is bounded, of a closed alphabet, and normalised', () => {
    fc.assert(
      fc.property(anything, (value) => {
        const output = normalise(value);
        expect(output.length).toBeLessThanOrEqual(OUTPUT_CHARS);
        expect(output).toMatch(/^[-A-Za-z0-9 .,_+~:/()[\]"'!&éüñçáöš’]*$/);
        expect(normalise(output)).toBe(output);
      }),
      settings,
    );
  });

  test('a secret within a valid value does not leave', () => {
    fc.assert(
      fc.property(
        example,
        secret,
        fc.nat(),
        fc.constantFrom('-', '.', '+', '_', '~', ' ', ' (', '/', '-g', ''),
        (value, hidden, at, before) => {
          const boundaries = [...value.matchAll(/(?<![A-Za-z0-9])|$/g)].map(({ index }) => index);
          const position = boundaries[at % boundaries.length] ?? 0;
          const after = value[position] === undefined ? '' : '-';
          // A digit directly after a digit is another number.
          fc.pre(before !== '' || !/\d$/.test(value.slice(0, position)));
          const output = normalise(value.slice(0, position) + before + hidden + after + value.slice(position));
          expect(output.toLowerCase()).not.toContain(hidden.toLowerCase());
          for (const part of hidden.split(/[-.@]/).filter(({ length }) => length >= 8)) {
            expect(output.toLowerCase()).not.toContain(part.toLowerCase());
          }
        },
      ),
      settings,
    );
  });

  test('a text of a million characters takes less than a second', () => {
    const start = performance.now();
    for (const { value } of examples.slice(0, 20)) {
      for (const filler of ['a', '1', '.', '-1', '(', ' ', 'a-', '1.', '+custom', '\u{1f600}']) {
        normalise(value + filler.repeat(1_000_000 / filler.length));
      }
    }
    expect((performance.now() - start) / 200).toBeLessThan(1000);
  });
});
