const QUANTITY = /^([+-]?)(\d*)(?:\.(\d*))?([a-zA-Z].*)?$/;
/** Counts below this number, such as CPUs, pods and devices, are the same on very many nodes. */
const SMALLEST_ROUNDED = 1000n;
const SIGNIFICANT_DIGITS = 2;

/**
 * A quantity of Kubernetes, rounded to two significant digits in its own unit: "15437428Ki" becomes "15000000Ki", and "1.25Gi" "1.3Gi".
 * Exact amounts of memory and storage differ from machine to machine. A number below 1,000 without a unit, and a text that is no
 * quantity, are returned as they are.
 */
export function roundQuantity(quantity: string): string {
  const [, sign = '', whole = '', fraction = '', unit = ''] = QUANTITY.exec(quantity) ?? [];
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const excess = digits.length - SIGNIFICANT_DIGITS;
  if (excess <= 0 || (unit === '' && BigInt(whole || '0') < SMALLEST_ROUNDED)) return quantity;
  const scale = 10n ** BigInt(excess);
  const rounded = ((BigInt(digits) + scale / 2n) / scale) * scale;
  const text = String(rounded).padStart(fraction.length + 1, '0');
  const point = text.length - fraction.length;
  const rest = text.slice(point).replace(/0+$/, '');
  return `${sign}${text.slice(0, point)}${rest === '' ? '' : `.${rest}`}${unit}`;
}
