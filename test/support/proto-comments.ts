import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { getComments } from '@bufbuild/protoplugin';

/** The comments of every field and enum value in proto/spartakus, by the descriptor's toString(). Needs no network. */
export function readProtoComments(): Map<string, string> {
  const root = join(import.meta.dirname, '../..');
  // An image holds source code info, which generated code leaves out.
  const image = execFileSync(join(root, 'node_modules/.bin/buf'), ['build', '--path', 'proto/spartakus', '--output', '-#format=binpb'], { cwd: root });
  const comments = new Map<string, string>();
  for (const type of createFileRegistry(fromBinary(FileDescriptorSetSchema, image))) {
    const described = type.kind === 'message' ? type.fields : type.kind === 'enum' ? type.values : [];
    for (const each of described) {
      const { leading } = getComments(each);
      if (leading !== undefined) comments.set(String(each), leading);
    }
  }
  return comments;
}
