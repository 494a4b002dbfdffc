import type { DescMessage, Message } from '@bufbuild/protobuf';
import { type Record as KubermaticRecord, RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { type Report, ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';

/** Calls `visit` with a message and each message nested in it that has protobuf fields which the schema does not have. */
type Walk = (message: Message, visit: (message: Message) => void) => void;

const walks = new WeakMap<DescMessage, Walk>();

/**
 * Removes the protobuf fields that the schema does not have, wherever they are in a report or record: nobody agreed to them, and no policy
 * says what they hold. Returns their number.
 */
export function dropUnknownFields(content: Report | KubermaticRecord): number {
  return dropUnknownFieldsOf(content.$typeName === ReportSchema.typeName ? ReportSchema : RecordSchema, content);
}

/** The same for any message. */
export function dropUnknownFieldsOf(schema: DescMessage, content: Message): number {
  const walk = walks.get(schema) ?? createWalk(schema);
  walks.set(schema, walk);
  let count = 0;
  walk(content, (message) => {
    count += message.$unknown?.length ?? 0;
    delete message.$unknown;
  });
  return count;
}

function createWalk({ fields }: DescMessage): Walk {
  const nested = fields.flatMap(({ localName, message }) =>
    message === undefined ? [] : [{ localName, walk: createWalk(message) }],
  );
  return (message, visit) => {
    if (message.$unknown !== undefined) visit(message);
    for (const { localName, walk } of nested) {
      const value = Reflect.get(message, localName) as Message | readonly Message[] | undefined;
      if (Array.isArray(value)) for (const item of value) walk(item as Message, visit);
      else if (value !== undefined) walk(value as Message, visit);
    }
  };
}
