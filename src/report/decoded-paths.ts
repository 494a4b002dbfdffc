import type { DescMessage } from '@bufbuild/protobuf';
import { NodeSchema, PartialObjectMetadataSchema } from '../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';

/** The fields that are decoded of a node, and of the metadata of other objects; all others are skipped. */
export const NODE_PATHS = listPaths(NodeSchema, '');
export const METADATA_PATHS = listPaths(PartialObjectMetadataSchema, '');

/** The paths of all scalar fields, such as `.status.nodeInfo.osImage`. As in Kubernetes, ID and UUID are in capitals. */
function listPaths(message: DescMessage, prefix: string): string[] {
  return message.fields.flatMap((field) => {
    if (field.parent.name === 'Time') return field.number === 1 ? [prefix] : [];
    const path = `${prefix}.${field.jsonName.replace(/(Uui|I)d$/, (end) => end.toUpperCase())}`;
    return field.fieldKind === 'message' ? listPaths(field.message, path) : [path];
  });
}
