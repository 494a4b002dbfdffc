export interface ExamplesOptions {
  /** Where the collector listens. */
  readonly url: string;
  /** Where its console does. */
  readonly consoleUrl?: string | undefined;
  /** How this program is called. */
  readonly program: string;
}

/** The commands to paste once a collector listens: by curl, over gRPC, and with the volunteer. Each ends in a stored report. */
export function pasteableExamples({ url, consoleUrl, program }: ExamplesOptions): string {
  const { host, protocol } = new URL(url);
  const withTls = protocol === 'https:';
  const report = JSON.stringify({
    version: 'v1.0.0',
    timestamp: '867530909031976',
    clusterID: '2f9c93d3-156c-47aa-8802-578ffca9b50e',
    masterVersion: 'v1.3.5',
  });
  const lines = [
    '# a report by curl: answers 204',
    `curl -i -H 'Content-Type: application/json' -d '${report}' ${url}/api/v1`,
    '',
    '# a report over gRPC: answers a receipt',
    `npx buf curl --protocol grpc ${withTls ? '' : '--http2-prior-knowledge '}-d '{"report":${report}}' ${url}/spartakus.collector.v1.CollectorService/SubmitReport`,
    '',
    '# a report of the cluster that kubectl talks to',
    `${program} volunteer --cluster-id "$(cat /proc/sys/kernel/random/uuid)" --period 0 --database ${withTls ? 'grpcs' : 'grpc'}://${host}`,
    '',
  ];
  if (consoleUrl !== undefined) lines.push('# what the collector counts', `curl ${consoleUrl}/metrics`, '');
  return lines.join('\n');
}
