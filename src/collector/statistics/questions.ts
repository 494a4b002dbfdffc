import { type DescMessage, getOption, hasOption, type Message } from '@bufbuild/protobuf';
import { FIELD_DOCS } from '../../../gen/field-docs.ts';
import { RecordSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import { Measure, StatisticSchema, title } from '../../../gen/spartakus/options/v1/options_pb.js';
import { ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { AnswerKind, type Question } from '../../../gen/spartakus/statistics/v1/statistics_service_pb.js';
import { listFields, type SchemaField } from '../../report/schema-fields.ts';

export interface QuestionSpec extends Readonly<Omit<Question, keyof Message>> {
  /** How the field is counted; absent for a question about several fields. */
  readonly measure?: Measure;
}

type MeasureForm = Pick<QuestionSpec, 'kind' | 'hasDetail' | 'ordered'>;

const VALUES = { kind: AnswerKind.VALUES, hasDetail: false, ordered: false };
const SIZES = { kind: AnswerKind.SIZES, hasDetail: false, ordered: true };

const FORMS: Readonly<Record<Exclude<Measure, Measure.UNSPECIFIED>, MeasureForm>> = {
  [Measure.WORD]: VALUES,
  [Measure.VERSION]: { kind: AnswerKind.VALUES, hasDetail: true, ordered: true },
  [Measure.NAME_AND_VERSION]: { ...VALUES, hasDetail: true },
  [Measure.SIZE]: SIZES,
  [Measure.QUANTITY]: { kind: AnswerKind.AMOUNTS, hasDetail: false, ordered: false },
  [Measure.HISTOGRAM]: SIZES,
  [Measure.RANGE]: SIZES,
  [Measure.KEY]: { ...VALUES, hasDetail: true },
};

/** The questions about several fields, by the field that they follow. */
const COMPUTED: readonly (QuestionSpec & { readonly after: string })[] = [
  {
    id: 'support',
    after: 'masterVersion',
    title: 'How many clusters run a supported version of Kubernetes?',
    description:
      'Clusters by whether the Kubernetes project still supports their minor version on that day. Vendors may support versions for longer.',
    ...VALUES,
  },
  {
    id: 'upgrades',
    after: 'support',
    title: 'How do clusters change their version?',
    description:
      'Changes from one minor version to another within a year, and the median time that clusters had run the version before.',
    kind: AnswerKind.UPGRADES,
    hasDetail: false,
    ordered: false,
  },
  {
    id: 'kubeletSkew',
    after: 'nodes.kubeletVersion',
    title: 'How far do kubelets lag behind the control plane?',
    description: 'Clusters by the number of minor versions between the control plane and the oldest kubelet.',
    ...VALUES,
    ordered: true,
  },
  {
    id: 'dialect',
    after: 'version',
    title: 'Which clients send reports?',
    description: 'Clusters by the format of their last report.',
    ...VALUES,
  },
  {
    id: 'cohorts',
    after: '',
    title: 'For how long do clusters take part?',
    description: 'Clusters by the month of their first report, and how many of them reported in each later month.',
    kind: AnswerKind.COHORTS,
    hasDetail: false,
    ordered: true,
  },
];

/** The questions that statistics answer, in the order in which they are shown: one for each counted field, and those about several fields. */
export function listQuestions(): readonly QuestionSpec[] {
  const questions = [
    ...questionsOf(ReportSchema, ''),
    ...COMPUTED.filter(({ after }) => after === '').map(dropPlace),
    ...questionsOf(RecordSchema, KUBERMATIC_PREFIX),
  ];
  for (const computed of COMPUTED) {
    const index = questions.findIndex(({ id }) => id === computed.after);
    if (index !== -1) questions.splice(index + 1, 0, dropPlace(computed));
  }
  return questions;
}

/** Of the ids of questions about Kubermatic installations. */
export const KUBERMATIC_PREFIX = 'kubermatic.';

function questionsOf(schema: DescMessage, prefix: string): QuestionSpec[] {
  return listCountedFields(schema).map((field) => ({
    id: prefix + questionId(field.path, field.measure),
    title: titleOf(field),
    description: FIELD_DOCS.get(String(field.descriptor))?.trim().replaceAll(/\s+/g, ' ') ?? '',
    measure: field.measure,
    ...FORMS[field.measure],
  }));
}

/** The fields with a measure. Nodes in records of Kubermatic are counted in the reports that are made of them. */
export function listCountedFields(schema: DescMessage) {
  return listFields(schema).flatMap((field) => {
    const { measure } = field;
    return measure === Measure.UNSPECIFIED || field.descriptor.parent.file !== schema.file
      ? []
      : [{ ...field, measure }];
  });
}

/** The id of the question about a field: its path without brackets, such as `nodes.osImage`; of its list for QUANTITY and KEY. */
export function questionId(path: string, measure: Measure): string {
  const id = path.replaceAll('[]', '');
  return measure === Measure.QUANTITY || measure === Measure.KEY ? id.slice(0, id.lastIndexOf('.')) : id;
}

function titleOf({ descriptor, statistic, title: own }: SchemaField): string {
  if (own !== '') return own;
  const value = StatisticSchema.value[statistic];
  return value !== undefined && hasOption(value, title) ? getOption(value, title) : descriptor.jsonName;
}

function dropPlace({ after: _after, ...question }: (typeof COMPUTED)[number]): QuestionSpec {
  return question;
}
