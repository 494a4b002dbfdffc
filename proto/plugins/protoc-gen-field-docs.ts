import { nestedTypes } from '@bufbuild/protobuf/reflect';
import { createEcmaScriptPlugin, getComments, runNodeJs, type Schema } from '@bufbuild/protoplugin';

/**
 * A plugin of `buf generate`: writes gen/field-docs.ts, the comments of every field and enum value of the Spartakus schema. `explain`
 * prints them, because generated messages carry no comments. Fails for a field or value without a comment.
 */
function generateFieldDocs(schema: Schema): void {
  const file = schema.generateFile('field-docs.ts');
  file.print('// Generated from the comments in proto/spartakus by `npm run generate`. Do not edit.');
  file.print();
  file.print('/** The comment of each field and enum value of the schema, by the string form of its descriptor. */');
  file.print('export const FIELD_DOCS: ReadonlyMap<string, string> = new Map([');
  const types = schema.files
    .filter(({ proto }) => proto.package.startsWith('spartakus.'))
    .flatMap((each) => [...nestedTypes(each)]);
  for (const type of types) {
    if (type.kind !== 'message' && type.kind !== 'enum') continue;
    for (const described of type.kind === 'message' ? type.fields : type.values) {
      const comment = getComments(described).leading?.trim().replaceAll(/\s+/g, ' ') ?? '';
      if (comment === '') throw new Error(`${String(described)} has no comment: add one to its .proto file`);
      file.print(`  [${JSON.stringify(String(described))}, ${JSON.stringify(comment)}],`);
    }
  }
  file.print(']);');
}

runNodeJs(createEcmaScriptPlugin({ name: 'protoc-gen-field-docs', version: 'v1', generateTs: generateFieldDocs }));
