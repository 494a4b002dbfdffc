import type { Collector } from '../collector/collector.ts';

/** Example commands for a collector that listens: send a report with curl, gRPC and the volunteer, and read the metrics. */
export function pasteableExamples({ url, consoleUrl }: Pick<Collector, 'url' | 'consoleUrl'>): string {
  // Only a checkout runs from its sources and has buf.
  const isCheckout = import.meta.filename.endsWith('.ts');
  const [place, buf, program] = isCheckout
    ? [', in this directory', 'node_modules/.bin/buf', 'npm run -s spartakus --']
    : ['', 'buf', 'spartakus'];
  const { host, protocol } = new URL(url);
  const withTls = protocol === 'https:';
  const report = JSON.stringify({
    version: 'v1.0.0',
    timestamp: '867530909031976',
    clusterID: '2f9c93d3-156c-47aa-8802-578ffca9b50e',
    masterVersion: 'v1.3.5',
  });
  const examples = [
    [
      '# Send a report with curl, from anywhere; the response is 204 No Content:',
      `curl -i -H 'Content-Type: application/json' -d '${report}' ${url}/api/v1`,
    ],
    [
      `# Send a report over gRPC${place}; the response is a receipt:`,
      `${buf} curl --protocol grpc ${withTls ? '' : '--http2-prior-knowledge '}-d '{"report":${report}}' ${url}/spartakus.collector.v1.CollectorService/SubmitReport`,
    ],
    [
      `# Report on the cluster that kubectl uses${place}:`,
      `${program} volunteer --cluster-id auto --period 0 --database ${withTls ? 'grpcs' : 'grpc'}://${host}`,
    ],
    ...(consoleUrl === undefined ? [] : [['# Read the metrics, on this machine:', `curl ${consoleUrl}/metrics`]]),
  ];
  return examples.map(([comment, command]) => `${comment}\n${command}\n`).join('\n');
}
