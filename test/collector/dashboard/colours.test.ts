import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { colourOf, COLOURS, isLightColour } from '../../../src/collector/dashboard/colours.ts';

type Rgb = readonly [number, number, number];

const css = readFileSync('src/collector/dashboard/charts.css', 'utf8');

/** Machado, Oliveira and Fernandes (2009), severity 1, for linear RGB: https://doi.org/10.1109/TVCG.2009.113 */
const VISIONS: Readonly<Record<string, readonly Rgb[]>> = {
  all: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  protanopia: [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  deuteranopia: [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  tritanopia: [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

/** A difference of 2.3 can just be seen side by side; neighbouring bands must differ at a glance. */
const LEAST_DIFFERENCE = 15;
/** WCAG 2.2, 1.4.3. */
const LEAST_CONTRAST = 4.5;

function colours(selector: string, names: readonly string[]): readonly Rgb[] {
  const block = css.slice(css.indexOf(`${selector} {`));
  return names.map((name) => {
    const hex = new RegExp(`--${name}: #([0-9a-f]{6});`).exec(block)?.[1] ?? '';
    return [0, 2, 4].map((at) => linear(Number.parseInt(hex.slice(at, at + 2), 16) / 255)) as unknown as Rgb;
  });
}

function linear(value: number): number {
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
}

function see(colour: Rgb, matrix: readonly Rgb[]): Rgb {
  return matrix.map((row) =>
    Math.min(Math.max(row[0] * colour[0] + row[1] * colour[1] + row[2] * colour[2], 0), 1),
  ) as unknown as Rgb;
}

/** CIE 1976 L*a*b*, D65. */
function lab([red, green, blue]: Rgb): Rgb {
  const f = (value: number): number => (value > 0.008856 ? Math.cbrt(value) : 7.787 * value + 16 / 116);
  const x = f((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047);
  const y = f(0.2126 * red + 0.7152 * green + 0.0722 * blue);
  const z = f((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

function difference(one: Rgb, other: Rgb): number {
  const [left, right] = [lab(one), lab(other)];
  return Math.hypot(left[0] - right[0], left[1] - right[1], left[2] - right[2]);
}

function contrast(one: Rgb, other: Rgb): number {
  const luminance = ([red, green, blue]: Rgb): number => 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].toSorted((left, right) => left - right);
  return (light + 0.05) / (dark + 0.05);
}

const NAMES = Array.from({ length: COLOURS }, (_, index) => `c${index}`);

describe.each([':root', ":root[data-theme='dark']"])('the colours of %s', (selector) => {
  test.each(Object.entries(VISIONS))('tell neighbouring minor versions apart: %s', (_name, matrix) => {
    const seen = colours(selector, NAMES).map((colour) => see(colour, matrix));
    const differences = seen.map((colour, index) => difference(colour, seen[(index + 1) % COLOURS] ?? colour));

    expect(Math.min(...differences)).toBeGreaterThan(LEAST_DIFFERENCE);
  });

  test('carry names that can be read', () => {
    const onLight: Rgb = [linear(0x10 / 255), linear(0x15 / 255), linear(0x1c / 255)];
    const [onDark = onLight] = colours(selector, ['on-dark']);
    const contrasts = colours(selector, NAMES).map((colour, index) =>
      contrast(colour, isLightColour(index) ? onLight : onDark),
    );

    expect(Math.min(...contrasts)).toBeGreaterThan(LEAST_CONTRAST);
  });
});

test('the dark colours of the system are those of the switch', () => {
  const blocks = [...css.matchAll(/(?:\[data-theme='dark'\]|not\(\[data-theme='light'\]\)) \{([^}]*)\}/g)];

  expect(blocks).toHaveLength(2);
  expect(new Set(blocks.map(([, block = '']) => block.replaceAll(/\s+/g, ' ').trim())).size).toBe(1);
});

test('a minor version has its colour in every form of a version, and its neighbour another', () => {
  expect(new Set(['1.31', 'v1.31.4', 'v1.31.2+k3s1'].map(colourOf)).size).toBe(1);
  expect(colourOf('1.31')).not.toBe(colourOf('1.32'));
});

test('a name has its colour with every version', () => {
  expect(new Set(['Ubuntu', 'Ubuntu 24.04.3 LTS', 'Ubuntu 22.04'].map(colourOf)).size).toBe(1);
  expect(new Set(['containerd', 'containerd://2.1.5'].map(colourOf)).size).toBe(1);
  expect(new Set(['Talos', 'Talos (v1.11.5)'].map(colourOf)).size).toBe(1);
});

test.each(['constructor', '__proto__', ''])('the value %j has a colour like any other', (value) => {
  expect(colourOf(value)).toSatisfy((colour: unknown) => Number.isInteger(colour));
});

test('a value that is not known has a colour, always the same', () => {
  expect(colourOf('Some Linux')).toBe(colourOf('Some Linux'));
  expect(colourOf('Some Linux')).toBeLessThan(COLOURS);
});
