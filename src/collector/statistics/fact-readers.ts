import type { DescField } from '@bufbuild/protobuf';
import { Measure } from '../../../gen/spartakus/options/v1/options_pb.js';
import { normaliserOf } from '../../report/normalise/normalise-field.ts';
import { rememberResults } from '../../runtime/remember.ts';
import { type Fact, SEPARATORS } from './facts-text.ts';
import type { MeasuredField } from './measured-fields.ts';
import { parseQuantity } from './quantity.ts';

/** Of one question in one report, so that a forged report cannot fill the database. */
const MAX_VALUES = 100;
const MAX_VALUE_BYTES = 128;
const OTHER = 'other';

type Reader = (report: Fields) => Fact | undefined;
/** Protobuf-es messages are objects with the local names of the fields. */
type Fields = Readonly<Record<string, unknown>>;
type TextReader = (parent: Fields) => readonly string[];

/** @param countedKeys the names of key-value pairs that are counted with their values, as "name=value" */
export function createFactReader(field: MeasuredField, countedKeys: ReadonlySet<string> = NONE): Reader {
  switch (field.measure) {
    case Measure.WORD:
    case Measure.VERSION:
    case Measure.NAME_AND_VERSION:
      return field.ofNodes ? readNodeValues(field) : readValues(field, createTextReader(field));
    case Measure.KEY:
      return readValues(field, createPairReader(field, countedKeys));
    case Measure.SIZE:
    case Measure.RANGE:
      return readNumber(field);
    case Measure.HISTOGRAM:
      return readHistogram(field);
    case Measure.QUANTITY:
      return readAmounts(field);
    case Measure.UNSPECIFIED:
  }
  throw new Error(`${field.descriptor.toString()}: the measure ${field.measure} is not known`);
}

/** Calls back for each message that contains a field, whose parents are these. */
type Visitor = (message: Fields, visit: (parent: Fields) => void) => void;

function createVisitor([first, ...rest]: readonly DescField[]): Visitor {
  if (first === undefined) return (message, visit) => visit(message);
  const { localName } = first;
  const visitBelow = createVisitor(rest);
  return (message, visit) => {
    const value = message[localName];
    if (Array.isArray(value)) for (const item of value as readonly Fields[]) visitBelow(item, visit);
    else if (value !== undefined) visitBelow(value as Fields, visit);
  };
}

/** The texts of a field: none if it is absent or empty. */
function createTextReader({ descriptor, normalise }: Pick<MeasuredField, 'descriptor' | 'normalise'>): TextReader {
  const { localName, fieldKind } = descriptor;
  const enumNames =
    fieldKind === 'enum' ? new Map(descriptor.enum.values.map(({ number, name }) => [number, name])) : undefined;
  const textOf = (value: unknown): string => {
    const raw = enumNames?.get(value as number) ?? String(value);
    return boundText(normalise(raw));
  };
  return (parent) => {
    const value = parent[localName];
    if (value === undefined || value === '') return NO_TEXTS;
    if (Array.isArray(value)) return value.map(textOf).filter((text) => text !== '');
    const text = textOf(value);
    return text === '' ? NO_TEXTS : [text];
  };
}

const NO_TEXTS: readonly string[] = [];

function boundText(text: string): string {
  // Four bytes a character at most.
  const isLong = text.length * 4 > MAX_VALUE_BYTES && Buffer.byteLength(text) > MAX_VALUE_BYTES;
  return isLong || SEPARATORS.test(text) ? OTHER : text;
}

const NONE: ReadonlySet<string> = new Set();

function createPairReader(field: MeasuredField, countedKeys: ReadonlySet<string>): TextReader {
  const { descriptor } = field;
  const readName = createTextReader(field);
  const value = descriptor.parent.fields.find((each) => each !== descriptor && each.fieldKind === 'scalar');
  if (value === undefined || countedKeys.size === 0) return readName;
  return (parent) =>
    readName(parent).map((name) =>
      countedKeys.has(name) ? boundText(`${name}=${String(parent[value.localName])}`) : name,
    );
}

function readValues({ parents }: MeasuredField, read: TextReader): Reader {
  const visitParents = createVisitor(parents);
  return (report) => {
    let first: string | undefined;
    let values: Set<string> | undefined;
    visitParents(report, (parent) => {
      for (const text of read(parent)) {
        first ??= text;
        if (values !== undefined || text !== first) (values ??= new Set([first])).add(text);
      }
    });
    if (values === undefined) return first;
    const sorted = [...values].toSorted();
    return sorted.length > MAX_VALUES ? [...sorted.slice(0, MAX_VALUES), OTHER] : sorted;
  };
}

function readNodeValues(field: MeasuredField): Reader {
  const read = createTextReader(field);
  const visitParents = createVisitor(field.parents.slice(1));
  const nodesName = field.parents[0]?.localName ?? '';
  const isPlain = field.parents.length === 1 && field.descriptor.fieldKind === 'scalar';
  const { localName } = field.descriptor;
  return (report) => {
    const nodes = report[nodesName] as readonly Fields[];
    const [first] = nodes;
    if (first === undefined) return undefined;
    // Most clusters have nodes of one kind.
    const value = first[localName];
    if (isPlain && nodes.every((each) => each[localName] === value)) return read(first)[0];
    const counts = new Map<string, number>();
    const count = (parent: Fields): void => {
      for (const text of read(parent)) counts.set(text, (counts.get(text) ?? 0) + 1);
    };
    for (const node of nodes) visitParents(node, count);
    return counts.size === 0 ? undefined : foldValues(counts, nodes.length);
  };
}

/** The fact of values of nodes: at most MAX_VALUES, those with most nodes, and the rest as one. */
export function foldValues(counts: ReadonlyMap<string, number>, nodes: number): Fact {
  const countOf = (name: string): number => counts.get(name) ?? 0;
  const names = [...counts.keys()];
  const [first = ''] = names;
  if (names.length === 1 && countOf(first) === nodes) return first;
  sortInPlace(names, (left, right) => countOf(right) - countOf(left) || (left < right ? -1 : 1));
  const values: (string | number)[] = [];
  for (const name of names.slice(0, MAX_VALUES)) values.push(name, countOf(name));
  const others = names.slice(MAX_VALUES);
  if (others.length > 0)
    values.push(
      OTHER,
      others.reduce((sum, name) => sum + countOf(name), 0),
    );
  return values;
}

/** Most lists are short, and in order already: Array's own sort copies them twice. */
function sortInPlace(names: string[], compare: (left: string, right: string) => number): void {
  const isSorted = names.every((name, index) => index === 0 || compare(names[index - 1] as string, name) < 0);
  if (!isSorted) names.sort(compare);
}

/** The sum where several messages contain the field. A list without entries counts as not reported, because it cannot be told from an absent one. */
function readNumber({ parents, descriptor: { localName } }: MeasuredField): Reader {
  const visitParents = createVisitor(parents);
  return (report) => {
    let sum: number | undefined;
    visitParents(report, (parent) => {
      const value = parent[localName];
      const number = Array.isArray(value) ? value.length || undefined : value;
      if (number === undefined) return;
      const finite = Number(number);
      if (Number.isFinite(finite) && finite >= 0) sum = (sum ?? 0) + finite;
    });
    return sum;
  };
}

function readHistogram({ parents, descriptor: { localName } }: MeasuredField): Reader {
  const visitParents = createVisitor(parents);
  return (report) => {
    const bounds = new Set<number>();
    visitParents(report, (parent) => {
      const buckets = parent[localName] as readonly { readonly atLeast: number; readonly namespaces: number }[];
      for (const { atLeast, namespaces } of buckets) if (namespaces > 0) bounds.add(bucketOf(atLeast));
    });
    return bounds.size === 0 ? undefined : [...bounds].toSorted((left, right) => left - right);
  };
}

/** The power of two below a number; 0 for 0. */
export function bucketOf(size: number): number {
  return size < 1 ? 0 : 2 ** Math.floor(Math.log2(size));
}

const quantityOf = rememberResults(parseQuantity);

/** The sum of each resource. Resources of which there are none are left out. */
function readAmounts({ parents, descriptor }: MeasuredField): Reader {
  const { localName } = descriptor;
  const key = descriptor.parent.fields.find((each) => each !== descriptor && each.fieldKind === 'scalar');
  if (key === undefined)
    throw new Error(`${descriptor.toString()} is a quantity without a field that names the resource`);
  const readName = createTextReader({ descriptor: key, normalise: normaliserOf(key) });
  const visitParents = createVisitor(parents);
  return (report) => {
    const totals = new Map<string, number>();
    visitParents(report, (parent) => {
      const [name] = readName(parent);
      if (name === undefined) return;
      // Resources whose names are not published are one, whose amount is their number.
      const amount = name === parent[key.localName] ? quantityOf(String(parent[localName])) : 1;
      if (amount !== undefined && amount > 0) totals.set(name, (totals.get(name) ?? 0) + amount);
    });
    return totals.size === 0 ? undefined : amountsOf(totals);
  };
}

export function amountsOf(totals: ReadonlyMap<string, number>): Fact {
  const amounts: (string | number)[] = [];
  const names = [...totals.keys()];
  sortInPlace(names, (left, right) => (left < right ? -1 : 1));
  for (const name of names.slice(0, MAX_VALUES)) {
    const total = totals.get(name) ?? 0;
    amounts.push(name, Number.isInteger(total) ? total : Number(total.toPrecision(12)));
  }
  return amounts;
}
