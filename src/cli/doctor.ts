import { DATABASE_FORMS } from '../delivery/open-sink.ts';
import { runDoctor } from '../volunteer/doctor/doctor.ts';
import { ACCESS_FLAGS, DATABASE_FLAG, pickAccess } from './access-flags.ts';
import { CLUSTER_FLAGS, pickKubeConfig } from './cluster-flags.ts';
import { createCommand } from './command.ts';
import { checkTogether, CLUSTER_ID_HELP, GATHER_FLAGS, gatherConfig } from './gather-flags.ts';
import { parseText } from './values.ts';
import { volunteerCommand } from './volunteer.ts';

/** `spartakus volunteer doctor`: whether the next report of a volunteer with these flags would be made and stored. */
export const doctorCommand = createCommand({
  name: 'volunteer doctor',
  summary:
    'Checks the spool directory, extensions, the access to Kubernetes and each right that the flags take, and the way to the collector:\n' +
    'proxy, DNS, TLS, health. Prints a line for each: ok, warn (the report goes without it), or FAIL, with what to do. Exits with 1 where\n' +
    'the next report would fail. It takes the flags of the volunteer; nothing of the cluster is sent.',
  databases: DATABASE_FORMS,
  flags: {
    ...volunteerCommand.flags,
    'cluster-id': { placeholder: 'TEXT', help: CLUSTER_ID_HELP, parse: parseText },
    database: DATABASE_FLAG,
    ...GATHER_FLAGS,
    ...ACCESS_FLAGS,
    ...CLUSTER_FLAGS,
    'spool-dir': { placeholder: 'DIR', help: 'Where reports would wait (default: in memory).', parse: parseText },
  },
  check: (values) => Promise.resolve(checkTogether(values)),
  async execute(values, { stdout, env, stop }) {
    const { database, 'spool-dir': spoolDir, 'service-account-dir': serviceAccountDir } = values;
    let failed = false;
    const config = {
      // A version that was kept and cannot be read is told of the spool.
      ...(await gatherConfig({ ...values, 'spool-dir': undefined }, { keep: false })),
      database,
      ...pickAccess(values),
      spoolDir,
      ...pickKubeConfig(values),
    };
    for await (const { status, name, message } of runDoctor(config, { env, serviceAccountDir, signal: stop })) {
      stdout.write(`${status.padEnd(4)}  ${name}: ${message}\n`);
      failed ||= status === 'FAIL';
    }
    return failed ? 1 : 0;
  },
});
