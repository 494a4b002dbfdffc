/** https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/ */
const QUANTITY = /^([+-]?)(\d+\.?\d*|\.\d+)(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d{1,4}))?$/;

const EXPONENTS: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
const BINARY_EXPONENTS: Readonly<Record<string, number>> = { Ki: 10, Mi: 20, Gi: 30, Ti: 40, Pi: 50, Ei: 60 };

/** Kubernetes' own limit of a quantity. */
const MAX_QUANTITY = 2 ** 63;
const MAX_CHARS = 64;

/**
 * The number that a quantity of Kubernetes stands for, such as 0.1 for "100m" and 1024 for "1Ki". Undefined for a text that is no
 * quantity, and for negative and absurd ones (above 2^63), which are not counted.
 */
export function parseQuantity(text: string): number | undefined {
  if (text.length > MAX_CHARS) return undefined;
  const [, sign, digits, suffix = '', exponent] = QUANTITY.exec(text) ?? [];
  if (digits === undefined) return undefined;
  // The decimal exponent is a part of the literal, so that the result is the nearest number: 0.1, not 100 * 0.001.
  const value = Number(`${digits}e${exponent ?? EXPONENTS[suffix] ?? 0}`) * 2 ** (BINARY_EXPONENTS[suffix] ?? 0);
  if (value > MAX_QUANTITY || (sign === '-' && value > 0)) return undefined;
  return value;
}
