import { clearField, create, type DescMessage, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Node, NodeSchema, type Report, ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { createReportId } from './report-id.ts';

type ReadonlyLists<Shape> = {
  readonly [Name in keyof Shape]: Shape[Name] extends (infer Item)[] | undefined
    ? readonly Item[] | undefined
    : Shape[Name];
};

/** The fields of a report. An empty string means that the value is unknown; the original does not send it. */
export type ReportFacts = ReadonlyLists<
  Omit<MessageInitShape<typeof ReportSchema>, '$typeName' | '$unknown' | 'timestamp' | 'reportId' | 'observedAt'>
> & {
  readonly observedAt: Date;
  /** 16 random bytes for the report's id. */
  readonly random: Uint8Array;
};

export function assembleReport({ observedAt, random, ...content }: ReportFacts): Report {
  const report = create(ReportSchema, content as MessageInitShape<typeof ReportSchema>);
  report.timestamp = String(Math.floor(observedAt.getTime() / 1000));
  report.reportId = createReportId(observedAt, random);
  report.observedAt = timestampFromDate(observedAt);
  return clearEmpty(ReportSchema, report);
}

/** A node without empty strings, with its resources in byte order (as Go's sort.Strings): their names are ASCII. */
export function assembleNode(facts: MessageInitShape<typeof NodeSchema>): Node {
  const node = clearEmpty(NodeSchema, create(NodeSchema, facts));
  node.capacity.sort((a, b) => Number(a.resource > b.resource) - Number(a.resource < b.resource));
  return node;
}

function clearEmpty<Shape extends Node | Report>(schema: DescMessage, message: Shape): Shape {
  for (const field of schema.fields) {
    if (Reflect.get(message, field.localName) === '') clearField(message, field);
  }
  return message;
}
