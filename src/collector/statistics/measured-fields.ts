import type { DescMessage } from '@bufbuild/protobuf';
import { ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { normaliserOf } from '../../report/normalise/normalise-field.ts';
import type { SchemaField } from '../../report/schema-fields.ts';
import { answerKey } from './day-point.ts';
import { listCountedFields, questionId } from './questions.ts';

/** A field that statistics count: one whose options have a measure. */
export interface MeasuredField extends Pick<SchemaField, 'measure' | 'parents' | 'descriptor'> {
  readonly id: string;
  /** In the figures of a day. */
  readonly key: string;
  /**
   * In the facts of a report: the numbers of the fields on its path, such as "5/3". The engine's cost of a document grows with its bytes, so
   * names would double the cost of facts.
   */
  readonly factKey: string;
  /** Whether its values are those of nodes, so that nodes are counted too. */
  readonly ofNodes: boolean;
  /** The normalised form of a value. */
  readonly normalise: (text: string) => string;
}

const NODES = 'nodes';

/** The fields of a report with a measure, in the order of the schema. */
export function listMeasuredFields(schema: DescMessage = ReportSchema, prefix = ''): readonly MeasuredField[] {
  return listCountedFields(schema).map(({ path, measure, parents, descriptor }) => {
    const id = prefix + questionId(path, measure);
    const numbers = [...parents, descriptor].map(({ number }) => number);
    return {
      id,
      key: answerKey(id),
      factKey: (prefix === '' ? '' : 'k') + numbers.join('/'),
      measure,
      ofNodes: parents[0]?.jsonName === NODES,
      parents,
      descriptor,
      normalise: normaliserOf(descriptor),
    };
  });
}
