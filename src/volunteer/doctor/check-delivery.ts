import { readdir } from 'node:fs/promises';
import http from 'node:http';
import { text } from 'node:stream/consumers';
import { hasCode, messageOf } from '../../runtime/errors.ts';
import { parseStatus, STATUS_PATH, type VolunteerStatus } from '../status.ts';
import { type Check, fail, ok, warn } from './check.ts';

const NAME = 'delivery';

interface DeliveryCheckConfig {
  readonly healthPort?: number;
  readonly spoolDir?: string;
}

/**
 * Asks the volunteer that runs here, in the same pod, whether its reports were stored. Without --health-port, counts the reports in the spool
 * directory; undefined without both.
 */
export async function checkDelivery(
  { healthPort = 0, spoolDir }: DeliveryCheckConfig,
  timeoutMs = 10_000,
): Promise<Check | undefined> {
  if (healthPort === 0) {
    const spooled = spoolDir === undefined ? undefined : await countSpooled(spoolDir);
    if (spooled === undefined) return undefined;
    const waits = `${waitingText(spooled)} in --spool-dir`;
    return ok(NAME, `${waits}; what is stored is known with the --health-port of the volunteer only`);
  }
  const url = `http://127.0.0.1:${healthPort}${STATUS_PATH}`;
  let status: VolunteerStatus | undefined;
  try {
    status = parseStatus(await get(url, timeoutMs));
  } catch (error) {
    if (hasCode(error, 'ECONNREFUSED'))
      return ok(NAME, `no volunteer with --health-port ${healthPort} runs here, so there is no delivery to check`);
    return warn(NAME, `${url}: ${messageOf(error)}. Does the volunteer here hang?`);
  }
  if (status === undefined) return warn(NAME, `${url} is not the status of a volunteer of this release`);
  return judge(status);
}

async function get(url: string, timeoutMs: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const deadline = AbortSignal.timeout(timeoutMs);
  http
    .get(url, { agent: false, signal: deadline }, (response) => void text(response).then(resolve, reject))
    .once('error', (error) => reject(deadline.aborted ? new Error(`no response within ${timeoutMs / 1000} s`) : error));
  return await promise;
}

function judge(status: VolunteerStatus): Check {
  const { lastDelivery, deliveryFailure, gatheringFailure, rejected, waiting } = status;
  const facts = [
    lastDeliveryText(lastDelivery),
    waitingText(waiting, status.waitingInMemory),
    ...(rejected === 0 ? [] : [`rejected reports, see the log: ${rejected}`]),
  ].join('; ');
  if (gatheringFailure !== undefined)
    return fail(NAME, `the last attempt to make a report failed (${gatheringFailure}); ${facts}`);
  if (deliveryFailure !== undefined)
    return fail(NAME, `the last attempt to deliver a report failed (${deliveryFailure}); ${facts}`);
  return (lastDelivery === undefined || rejected > 0 ? warn : ok)(NAME, facts);
}

function lastDeliveryText(delivery: VolunteerStatus['lastDelivery']): string {
  if (delivery === undefined)
    return 'no report of this run is stored yet (the first one is made within --initial-delay)';
  const { time, outcome } = delivery;
  return outcome === 'stored'
    ? `the last report was stored at ${time}`
    : `the last report was stored before (duplicate), acknowledged at ${time}`;
}

function waitingText(reports: number, inMemory = 0): string {
  if (reports === 0) return 'none waits';
  const waits = reports === 1 ? '1 report waits' : `${reports} reports wait`;
  return inMemory === 0 ? waits : `${waits} (${inMemory} in memory only)`;
}

async function countSpooled(dir: string): Promise<number | undefined> {
  const names = await readdir(dir).catch(() => undefined);
  return names?.filter((name) => name.endsWith('.report')).length;
}
