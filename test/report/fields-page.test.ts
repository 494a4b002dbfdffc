import { expect, test } from 'vitest';
import { FIELD_DOCS } from '../../gen/field-docs.ts';
import { RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { PrivacySchema, StatisticSchema } from '../../gen/spartakus/options/v1/options_pb.js';
import { describeWire, listReporterRequests } from '../../src/delivery/transport/wire.ts';
import type { PolicyRule } from '../../src/report/cluster-role.ts';
import { describeFields } from '../../src/report/describe-fields.ts';
import { COLLECTABLE } from '../../src/report/field-selection.ts';
import { renderFields, renderFieldsPage, renderRequests, renderTreatments } from '../../src/report/fields-page.ts';
import { listFields } from '../../src/report/schema-fields.ts';
import { selectFields } from '../../src/volunteer/gather/gather.ts';
import { listRequiredRules, listSecretRules } from '../../src/volunteer/gather/rbac-rules.ts';

const everything = { clusterId: 'auto', idSecret: 'spartakus-volunteer', extensions: 'any', collect: COLLECTABLE };

test('every field and anonymization of a report has a comment in the schema', () => {
  const documented = [
    ...listFields().map(({ descriptor }) => String(descriptor)),
    ...[PrivacySchema, StatisticSchema].flatMap((schema) => schema.values.map(String)),
  ];
  expect(documented.filter((name) => !FIELD_DOCS.has(name))).toEqual([]);
});

test('docs/what-is-collected.md matches the schema (to update it: npm run docs)', async () => {
  const [least, most] = [{ clusterId: 'auto' }, everything].map((config) =>
    listRequiredRules(config, selectFields(config)),
  ) as [PolicyRule[], PolicyRule[]];
  const page = renderFieldsPage({
    intro: `<!-- Generated from the field options of proto/spartakus/report/v1/report.proto by \`npm run docs\`. Do not edit. -->

A report contains the fields on this page and no others: the page is generated from the schema that every report is
encoded with, and CI fails if the two differ. \`spartakus volunteer explain\` prints it for the flags that it is given. To
see a report of your own cluster before it is sent anywhere, run the volunteer with the same flags and \`--dry-run\`.`,
    fields: describeFields(selectFields(everything).fields),
    requests: (['grpc', 'http'] as const).map((transport) =>
      describeWire({ sender: 'volunteer', transport, tls: true, proxy: false, token: true, clientCertificate: true }),
    ),
    roles: [
      { about: 'The smallest ClusterRole, for a volunteer without `--collect`:', rules: least },
      { about: 'The ClusterRole for everything that `--collect` can name:', rules: most },
    ],
    secretRules: listSecretRules(everything, selectFields(everything)),
  });

  await expect(page).toMatchFileSnapshot('../../docs/what-is-collected.md');
});

test('docs/what-agents-collect.md matches the schema (to update it: npm run docs)', async () => {
  const fields = describeFields(listFields(RecordSchema));
  const page = `<!-- Generated from the field options of proto/spartakus/kubermatic/v1/record.proto by \`npm run docs\`. Do not edit. -->

# What agents collect

A record contains the fields on this page and no others: the page is generated from the schema that every record is
encoded with, and CI fails if the two differ. A record is a file of plain JSON in the record directory, where it can be
read before the reporter sends it, and \`spartakus reporter stdout\` prints the whole report.

## Fields

${renderFields(fields, 'without --collect')}

${renderRequests(listReporterRequests())}

The body is an envelope: its version, the time, the UUID in \`--client-uuid\`, and the records.

## Anonymization

${renderTreatments(fields)}

## Required permissions

deploy/kubermatic grants exactly the permissions that the agents use: a test compares its roles with their requests. Of
Secrets they may read those with the kubeconfigs of seeds and user clusters that the administrator lists, by name, each
with a Role in its namespace. `;

  await expect(page).toMatchFileSnapshot('../../docs/what-agents-collect.md');
});

test('a field without a comment is an error', () => {
  expect(() => describeFields(listFields(), new Map())).toThrow('There is no comment for');
});

test('a description has everything that documentation says of a field, as plain values', () => {
  const described = describeFields(listFields());

  expect(described.find(({ path }) => path === 'masterVersion')).toStrictEqual({
    path: 'masterVersion',
    comment: expect.stringContaining('Kubernetes control plane') as string,
    origin: 'Kubernetes',
    source: 'GET /version .gitVersion',
    privacy: 'normalised',
    privacyComment: expect.stringMatching(/^\S.*\.$/) as string,
    purpose: expect.stringMatching(/^Which .*\.$/) as string,
    reviewed: expect.stringMatching(/^\d{4}-\d\d-\d\d$/) as string,
    expires: expect.stringMatching(/^\d{4}-\d\d-\d\d$/) as string,
    since: 1,
    collect: '',
    required: false,
    rights: [{ nonResourceURLs: ['/version'], verbs: ['get'] }],
  });
  expect(described.find(({ path }) => path === 'nodes[].id')).toMatchObject({
    privacy: 'keyed hash',
    collect: 'nodes',
  });
  expect(described.find(({ path }) => path === 'clusterID')).toMatchObject({ origin: 'administrator', required: true });
  expect(describeFields(listFields(RecordSchema))[0]).toMatchObject({ path: 'kind', origin: 'agent' });
});
