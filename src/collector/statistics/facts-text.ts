import { Measure } from '../../../gen/spartakus/options/v1/options_pb.js';
import type { MeasuredField } from './measured-fields.ts';

/**
 * What one report says about one question. Most reports have one value, so the short forms save space:
 *
 * - one value, of all nodes where it is a field of nodes: the text;
 * - several values: the texts; of nodes, each followed by the number of its nodes;
 * - a size or range: the number; a histogram: the lower bounds of its buckets;
 * - amounts of resources: the names, each followed by the total.
 */
export type Fact = string | number | readonly (string | number)[];

/** The names of a fact that is a list, each with the number that follows it. */
export function pairsOf(fact: Fact): readonly (readonly [name: string, number: number])[] {
  if (typeof fact !== 'object') return [];
  return fact.flatMap((name, index) => (index % 2 === 0 ? [[String(name), Number(fact[index + 1])] as const] : []));
}

/*
 * The facts of a report by question are stored as one text: the engine's cost of a document grows with its values and bytes, and an object
 * would take several times as long to write. A line per question: the key, a tab, and the fact, whose parts are separated by tabs.
 */
const LINE = '\n';
const PART = '\t';
/** No value contains these. */
export const SEPARATORS = /[\n\t]/;

export function encodeFacts(facts: Iterable<readonly [factKey: string, fact: Fact]>): string {
  let text = '';
  for (const [factKey, fact] of facts) {
    if (text !== '') text += LINE;
    text += factKey + PART + (typeof fact === 'object' ? fact.join(PART) : String(fact));
  }
  return text;
}

/** The facts that the text has, in its order, without those of unknown questions. */
export function* decodeFacts<Field extends Pick<MeasuredField, 'measure'>>(
  text: string,
  fields: ReadonlyMap<string, Field>,
): Generator<readonly [field: Field, fact: Fact]> {
  if (text === '') return;
  for (const line of text.split(LINE)) {
    const [factKey = '', first = '', ...others] = line.split(PART);
    const field = fields.get(factKey);
    if (field !== undefined) yield [field, decodeFact(field.measure, first, others)];
  }
}

function decodeFact(measure: Measure, first: string, others: readonly string[]): Fact {
  if (measure === Measure.SIZE || measure === Measure.RANGE) return Number(first);
  const isList = others.length > 0 || measure === Measure.HISTOGRAM;
  return isList ? [first, ...others] : first;
}
