import http2 from 'node:http2';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { CollectorService, Outcome } from '../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { listen } from '../../support/listen.ts';

/** A baseline: the same service by Connect's adapter for Node.js, which stores nothing. */
const handler = connectNodeAdapter({
  routes: (router) => {
    router.service(CollectorService, {
      submitReport: ({ report }) => ({ receipt: { reportId: report?.reportId ?? '', outcome: Outcome.STORED } }),
      async *streamReports(requests) {
        for await (const { report } of requests)
          yield { receipt: { reportId: report?.reportId ?? '', outcome: Outcome.STORED } };
      },
    });
  },
});
const port = await listen(http2.createServer(handler));
process.stdout.write(`${port}\n`);
