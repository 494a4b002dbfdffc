import { DATABASE_FORMS } from '../delivery/open-sink.ts';
import { runDoctor } from '../volunteer/doctor/doctor.ts';
import { createCommand } from './command.ts';
import { validateCombination } from './gather-flags.ts';
import { VOLUNTEER_FLAGS } from './volunteer.ts';

export const doctorCommand = createCommand({
  name: 'volunteer doctor',
  description:
    'Checks whether the next report of a volunteer with the same flags would be made and stored: spool directory, extensions, Kubernetes ' +
    'API, RBAC rules, and the proxy, DNS, TLS and health of the collector, and whether it accepts the token. In the pod of a volunteer with ' +
    '--health-port, also says when the last report was stored. Prints one line per check: ok, warn (the report is sent without it) or FAIL, ' +
    'with advice. Exits with code 1 if a check fails. Sends no data of the cluster.',
  databases: DATABASE_FORMS,
  flags: { ...VOLUNTEER_FLAGS, clusterId: { ...VOLUNTEER_FLAGS.clusterId, required: undefined } },
  validate: validateCombination,
  async run({ clusterId = '', ...values }, { stdout, env, stop }) {
    const { serviceAccountDir } = values;
    let failed = false;
    const checks = runDoctor({ clusterId, ...values }, { env, serviceAccountDir, signal: stop });
    for await (const { status, name, message } of checks) {
      stdout.write(`${status.padEnd(4)}  ${name}: ${message}\n`);
      failed ||= status === 'FAIL';
    }
    return failed ? 1 : 0;
  },
});
