import { clearField, create, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Node, NodeSchema, type Report, ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { createReportId } from './report-id.ts';

type ReadonlyLists<Shape> = {
  readonly [Name in keyof Shape]: Shape[Name] extends (infer Item)[] | undefined
    ? readonly Item[] | undefined
    : Shape[Name];
};

/** The content of a report: the fields of the message Report. An empty string means that the value is not known. */
export type ReportFacts = ReadonlyLists<
  Omit<MessageInitShape<typeof ReportSchema>, '$typeName' | '$unknown' | 'timestamp' | 'reportId' | 'observedAt'>
> & {
  /** When the Kubernetes API was read. */
  readonly observedAt: Date;
  /** 16 fresh random bytes for the report's id. */
  readonly random: Uint8Array;
};

export interface ExtensionFacts {
  readonly name: string;
  readonly value: string;
}

/** A report with its id and times, without empty strings. */
export function assembleReport({ observedAt, random, ...content }: ReportFacts): Report {
  const report = create(ReportSchema, content as MessageInitShape<typeof ReportSchema>);
  report.timestamp = String(Math.floor(observedAt.getTime() / 1000));
  report.reportId = createReportId(observedAt, random);
  report.observedAt = timestampFromDate(observedAt);
  return clearEmpty(ReportSchema, report);
}

/** A node as it is sent: without empty strings, and resources in the order of their names. */
export function assembleNode(facts: MessageInitShape<typeof NodeSchema>): Node {
  const node = clearEmpty(NodeSchema, create(NodeSchema, facts));
  node.capacity.sort((a, b) => compareText(a.resource, b.resource));
  return node;
}

/** Clears strings that are empty, which the original does not send. */
function clearEmpty<Shape extends Node | Report>(schema: DescMessage, message: Shape): Shape {
  for (const field of schema.fields) {
    if (Reflect.get(message, field.localName) === '') clearField(message, field);
  }
  return message;
}

/** Byte order, as Go's sort.Strings: resource names are qualified names, so ASCII, where UTF-16 order is byte order. */
function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
