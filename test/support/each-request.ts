import type { ReceivedReport, ReceivedReports } from '../../src/collector/serve/rpc/report-receiver.ts';

/** The requests of a stream one by one, for a receiver that has no use for those that arrive together. */
export async function* eachRequest(requests: ReceivedReports): AsyncGenerator<ReceivedReport> {
  for await (const arrived of requests) for (const request of arrived) yield await request;
}
