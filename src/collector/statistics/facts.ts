import type { DescMessage, Message } from '@bufbuild/protobuf';
import { timestampMs, type Timestamp } from '@bufbuild/protobuf/wkt';
import { RecordSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import { Measure } from '../../../gen/spartakus/options/v1/options_pb.js';
import { ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { rememberResults } from '../../runtime/remember.ts';
import { coarseValue } from './coarse-value.ts';
import { addDays, type Day, dayOf } from './days.ts';
import { createFactReader } from './fact-readers.ts';
import { decodeFacts, encodeFacts, type Fact } from './facts-text.ts';
import { listMeasuredFields } from './measured-fields.ts';
import { KUBERMATIC_PREFIX } from './questions.ts';

/** What statistics need of a report, stored with it. A pure function of the report, its receipt and its dialect. */
export interface Facts {
  /** FACTS_VERSION of the program that made them. */
  readonly v: number;
  /** The day that the report counts for. */
  readonly day: Day;
  /** When the cluster was observed; the newest report of a day counts. */
  readonly at: Date;
  /** The same as `day` if the report was not received on that day. Most reports are, so the index of the others is small. */
  readonly late?: Day;
  readonly nodes: number;
  /** The minor version of the control plane, such as "1.31". */
  readonly minor?: string;
  /** By MeasuredField.factKey, DIALECT and KUBELET_SKEW; see facts-text.ts. */
  readonly f: string;
}

export interface FactsContext {
  readonly receivedAt: Date;
  /** The format in which the report was received. */
  readonly dialect: string;
}

export interface FactsOptions {
  /** The names of extensions that are counted with their values. */
  readonly countedKeys?: readonly string[];
}

/** The keys of facts that are not about a single field. */
export const DIALECT = 'd';
export const KUBELET_SKEW = 's';

/** To be increased when the facts of the same report change. `spartakus stats rebuild` makes older ones again. */
export const FACTS_VERSION = 1;

/** A report may have been observed so long before its receipt: spools and air gaps. */
const MAX_AGE_DAYS = 400;
/** By a clock that is ahead. */
const MAX_DAYS_AHEAD = 1;
/** A larger difference comes from a version that is none. */
const MAX_SKEW = 50;

/** The parts of a report that facts need beside the fields with a measure; all schemas of reports have them. */
type ReportLike = Message & {
  readonly observedAt?: Timestamp;
  /** In records of Kubermatic. */
  readonly time?: Timestamp;
  readonly nodes?: readonly unknown[];
};

/**
 * Compiles the schema's options into the function that makes the facts of a report.
 *
 * @param schema of a report, or one with more fields
 * @param prefix of the ids of questions
 */
export function createFacts(
  schema: DescMessage = ReportSchema,
  prefix = '',
  { countedKeys = [] }: FactsOptions = {},
): (report: Message, context: FactsContext) => Facts {
  const keys = new Set(countedKeys);
  const fields = listMeasuredFields(schema, prefix);
  const factKeyOf = (id: string): string => fields.find((field) => field.id === id)?.factKey ?? '';
  const masterVersion = factKeyOf('masterVersion');
  const kubeletVersion = factKeyOf('nodes.kubeletVersion');
  const readers = fields.map((field) => [field.factKey, createFactReader(field, keys)] as const);
  return (report, { receivedAt, dialect }) => {
    const { observedAt, time, nodes = [] } = report as ReportLike;
    const at = observationTime(observedAt ?? time, receivedAt);
    const day = dayOf(at);
    const f = new Map<string, Fact>();
    for (const [key, read] of readers) {
      const fact = read(report);
      if (fact !== undefined) f.set(key, fact);
    }
    if (prefix === '') f.set(DIALECT, dialect);
    const minor = minorOf(f.get(masterVersion));
    const skew = kubeletSkew(minor, f.get(kubeletVersion));
    if (skew !== undefined) f.set(KUBELET_SKEW, skew);
    return {
      v: FACTS_VERSION,
      day,
      at,
      ...(day === dayOf(receivedAt) ? {} : { late: day }),
      nodes: nodes.length,
      ...(minor === undefined ? {} : { minor }),
      f: encodeFacts(f),
    };
  };
}

/** The facts of reports, and of records of Kubermatic. */
export function createFactMaker(options?: FactsOptions): (message: Message, context: FactsContext) => Facts {
  const ofReport = createFacts(ReportSchema, '', options);
  const ofRecord = createFacts(RecordSchema, KUBERMATIC_PREFIX);
  return (message, context) => (message.$typeName === RecordSchema.typeName ? ofRecord : ofReport)(message, context);
}

const DIALECTS = new Map([[DIALECT, { measure: Measure.WORD }]]);

/** The format in which the report was received. */
export function dialectOf({ f }: Facts): string | undefined {
  for (const [, dialect] of decodeFacts(f, DIALECTS)) return String(dialect);
  return undefined;
}

/** The time of observation, or of the receipt where that is absent or not plausible. */
function observationTime(observedAt: Timestamp | undefined, receivedAt: Date): Date {
  if (observedAt === undefined) return receivedAt;
  const observed = new Date(timestampMs(observedAt));
  const day = dayOf(observed);
  if (day === dayOf(receivedAt)) return observed;
  const received = dayOf(receivedAt);
  const isPlausible = day >= addDays(received, -MAX_AGE_DAYS) && day <= addDays(received, MAX_DAYS_AHEAD);
  return isPlausible ? observed : receivedAt;
}

function minorOf(version: Fact | undefined): string | undefined {
  return typeof version === 'string' ? minorOfText(version) : undefined;
}

const minorOfText = rememberResults((version) => {
  const minor = coarseValue(Measure.VERSION, version);
  return /^\d+\.\d+$/.test(minor) ? minor : undefined;
});

/** By how many minor versions the oldest kubelet is behind the control plane. */
export function kubeletSkew(minor: string | undefined, kubelets: Fact | undefined): string | undefined {
  if (minor === undefined || kubelets === undefined) return undefined;
  if (minorOf(kubelets) === minor) return '0';
  const [major, controlPlane] = minor.split('.').map(Number);
  const versions = (Array.isArray(kubelets) ? kubelets : [kubelets]).flatMap((version) => {
    const found = minorOf(version as Fact)
      ?.split('.')
      .map(Number);
    return found === undefined || found[0] !== major ? [] : [found[1] ?? 0];
  });
  if (versions.length === 0) return undefined;
  const skew = (controlPlane ?? 0) - Math.min(...versions);
  return Math.abs(skew) > MAX_SKEW ? undefined : String(skew);
}
