import { type DescField, type DescMessage, getOption } from '@bufbuild/protobuf';
import { field_policy, Measure } from '../../../gen/spartakus/options/v1/options_pb.js';
import { ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { normaliserOf } from '../../report/normalise/normalise-field.ts';
import { pathOf } from '../../report/schema-fields.ts';
import { answerKey } from './day-point.ts';
import { questionId } from './questions.ts';

/** A field that statistics count: one whose options have a measure. */
export interface MeasuredField {
  /** The id of its question. */
  readonly id: string;
  /** In the figures of a day. */
  readonly key: string;
  /**
   * In the facts of a report: the numbers of the fields on its path, such as "5/3". The engine's cost of a document grows with its bytes, so
   * names would double the cost of facts.
   */
  readonly factKey: string;
  readonly measure: Measure;
  /** Whether its values are those of nodes, so that nodes are counted too. */
  readonly ofNodes: boolean;
  /** The messages on the way to the field, from the report. */
  readonly parents: readonly DescField[];
  readonly descriptor: DescField;
  /** The normalised form of a value. */
  readonly normalise: (text: string) => string;
}

const NODES = 'nodes';

/** The fields of a report with a measure, in the order of the schema. */
export function listMeasuredFields(schema: DescMessage = ReportSchema, prefix = ''): readonly MeasuredField[] {
  // Nodes in records of Kubermatic are counted in the reports that are made of them.
  return listBelow(schema, [], '', prefix).filter(({ descriptor }) => descriptor.parent.file === schema.file);
}

function listBelow(message: DescMessage, parents: readonly DescField[], path: string, prefix: string): MeasuredField[] {
  return message.fields.flatMap((descriptor) => {
    if (descriptor.deprecated) return [];
    const { measure } = getOption(descriptor, field_policy);
    const ownPath = pathOf(descriptor, path);
    const id = prefix + questionId(ownPath, measure === Measure.QUANTITY || measure === Measure.KEY);
    const field = {
      id,
      key: answerKey(id),
      factKey: (prefix === '' ? '' : 'k') + [...parents, descriptor].map(({ number }) => number).join('/'),
      measure,
      ofNodes: parents[0]?.jsonName === NODES,
      parents,
      descriptor,
      normalise: normaliserOf(descriptor),
    };
    const below =
      descriptor.message === undefined || parents.includes(descriptor)
        ? []
        : listBelow(descriptor.message, [...parents, descriptor], `${ownPath}.`, prefix);
    return measure === Measure.UNSPECIFIED ? below : [field, ...below];
  });
}
