import { clearField, create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { type Node, NodeSchema, type Report, ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { normaliseNodeTexts, type NormaliseOptions, normaliseResources } from './normalise/normalise-report.ts';
import type { NodeResource } from './normalise/resource-name.ts';
import { createCoarseReportId, startOfHour } from './report-id.ts';

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

/** A report with times of whole hours, and without empty strings. */
export function assembleReport({ observedAt, random, ...content }: ReportFacts): Report {
  const report = create(ReportSchema, content as MessageInitShape<typeof ReportSchema>);
  const hour = startOfHour(observedAt);
  report.timestamp = String(hour.getTime() / 1000);
  report.reportId = createCoarseReportId(observedAt, report.sequence, random);
  report.observedAt = timestampFromDate(hour);
  return clearEmpty(ReportSchema, report);
}

/** The fields of a node: texts and capacity as the Kubernetes API has them, the others as they are sent. */
export type NodeFacts = Omit<MessageInitShape<typeof NodeSchema>, '$typeName' | '$unknown' | 'capacity'> & {
  readonly capacity?: Iterable<NodeResource>;
};

/** A node in known forms, without empty strings, with its resources in byte order (as Go's sort.Strings): their names are ASCII. */
export function assembleNode(facts: NodeFacts, options?: NormaliseOptions): Node {
  const capacity = normaliseResources(facts.capacity ?? [], options);
  const node = create(NodeSchema, { ...facts, ...normaliseNodeTexts(facts), capacity });
  clearEmpty(NodeSchema, node);
  node.capacity.sort((a, b) => compareText(a.resource, b.resource));
  return node;
}

/**
 * Sorts the nodes of a report by their ids, or by their content where ids are not sent: the order of the Kubernetes API is that of their
 * names.
 *
 * @param nodes as they are sent, without the fields that are omitted
 */
export function sortNodes(nodes: Node[]): void {
  const keys = new Map(
    nodes.map((node) => [node, node.id === '' ? Buffer.from(toBinary(NodeSchema, node)).toString('hex') : node.id]),
  );
  nodes.sort((a, b) => compareText(keys.get(a) ?? '', keys.get(b) ?? ''));
}

function compareText(a: string, b: string): number {
  return Number(a > b) - Number(a < b);
}

function clearEmpty<Shape extends Node | Report>(schema: DescMessage, message: Shape): Shape {
  for (const field of schema.fields) {
    if (Reflect.get(message, field.localName) === '') clearField(message, field);
  }
  return message;
}
