import type { DescField, Message } from '@bufbuild/protobuf';
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

type Reader = (report: Message) => Fact | undefined;
/** Protobuf-es messages are objects with the local names of the fields. */
type Fields = Readonly<Record<string, unknown>>;
type TextReader = (parent: Fields) => readonly string[];

/** @param countedKeys the names of key-value pairs that are counted with their values, as "name=value" */
export function createFactReader(field: MeasuredField, countedKeys: ReadonlySet<string> = NONE): Reader {
  switch (field.measure) {
    case Measure.WORD:
    case Measure.VERSION:
    case Measure.NAME_AND_VERSION:
      return field.ofNodes ? readNodeValues(field) : readValues(field);
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

/** Calls back for each message that contains the field. */
function visitParents(message: Fields, parents: readonly DescField[], visit: (parent: Fields) => void): void {
  const [first, ...rest] = parents;
  if (first === undefined) return visit(message);
  const value = message[first.localName];
  if (Array.isArray(value)) for (const item of value as readonly Fields[]) visitParents(item, rest, visit);
  else if (value !== undefined) visitParents(value as Fields, rest, visit);
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

function readValues(field: MeasuredField, read = createTextReader(field)): Reader {
  const { parents } = field;
  return (report) => {
    if (parents.length === 0) {
      const texts = read(report);
      if (texts.length <= 1) return texts[0];
    }
    const values = new Set<string>();
    visitParents(report, parents, (parent) => {
      for (const text of read(parent)) values.add(text);
    });
    const [first] = values;
    if (first === undefined) return undefined;
    if (values.size === 1) return first;
    const sorted = [...values].toSorted();
    return sorted.length > MAX_VALUES ? [...sorted.slice(0, MAX_VALUES), OTHER] : sorted;
  };
}

function readNodeValues(field: MeasuredField): Reader {
  const read = createTextReader(field);
  const below = field.parents.slice(1);
  const nodesName = field.parents[0]?.localName ?? '';
  const isPlain = below.length === 0 && field.descriptor.fieldKind === 'scalar';
  const { localName } = field.descriptor;
  return (report) => {
    const nodes = (report as unknown as Fields)[nodesName] as readonly Fields[];
    const [first] = nodes;
    if (first === undefined) return undefined;
    // Most clusters have nodes of one kind.
    const value = first[localName];
    if (isPlain && nodes.every((each) => each[localName] === value)) return read(first)[0];
    const counts = new Map<string, number>();
    for (const node of nodes) {
      visitParents(node, below, (parent) => {
        for (const text of read(parent)) counts.set(text, (counts.get(text) ?? 0) + 1);
      });
    }
    return counts.size === 0 ? undefined : foldValues(counts, nodes.length);
  };
}

/** The fact of values of nodes: at most MAX_VALUES, those with most nodes, and the rest as one. */
export function foldValues(counts: ReadonlyMap<string, number>, nodes: number): Fact {
  const sorted = [...counts].toSorted(([left, most], [right, more]) => more - most || (left < right ? -1 : 1));
  const [only] = sorted;
  if (sorted.length === 1 && only?.[1] === nodes) return only[0];
  if (sorted.length <= MAX_VALUES) return sorted.flat();
  const others = sorted.slice(MAX_VALUES).reduce((sum, [, count]) => sum + count, 0);
  return [...sorted.slice(0, MAX_VALUES).flat(), OTHER, others];
}

/** The sum where several messages contain the field. A list without entries counts as not reported, because it cannot be told from an absent one. */
function readNumber({ parents, descriptor: { localName } }: MeasuredField): Reader {
  return (report) => {
    let sum: number | undefined;
    visitParents(report, parents, (parent) => {
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
  return (report) => {
    const bounds = new Set<number>();
    visitParents(report, parents, (parent) => {
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
  return (report) => {
    const totals = new Map<string, number>();
    visitParents(report, parents, (parent) => {
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
  return [...totals]
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .slice(0, MAX_VALUES)
    .flatMap(([name, total]) => [name, Number.isInteger(total) ? total : Number(total.toPrecision(12))]);
}
