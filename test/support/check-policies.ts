// npm run check:policies: fails if the date of a field of the schema has passed. It is not one of the tests, so that those of a
// release that is a year old still pass.
import { RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { listFields } from '../../src/report/schema-fields.ts';
import { findDateProblems } from './expired-fields.ts';

const fields = [
  ...listFields(),
  ...listFields(RecordSchema).map((field) => ({ ...field, path: `record ${field.path}` })),
];
const problems = findDateProblems(fields, new Date().toISOString().slice(0, 10));
for (const problem of problems) process.stderr.write(`check:policies: ${problem}\n`);
if (problems.length === 0) {
  const next = fields.map(({ expires }) => expires).toSorted()[0];
  process.stdout.write(`check:policies: ${fields.length} fields; the next one expires on ${next}.\n`);
}
process.exitCode = problems.length === 0 ? 0 : 1;
