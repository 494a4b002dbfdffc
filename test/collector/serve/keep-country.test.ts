import { expect, test } from 'vitest';
import { startTestCollector } from '../../support/collector.ts';

test.each([
  [false, {}],
  [true, { country: 'DE' }],
])(
  'keepCountry %s, in the database: a report and a record have the country %o and no other place',
  async (keepCountry, expected) => {
    const collector = await startTestCollector({ keepCountry });
    try {
      const body = {
        client_uuid: 'u',
        client_location: { country: 'Germany', country_code: 'de', city: 'Planted' },
        records: [
          { kind: 'kubernetes', nodes: [{ external_ip: '192.0.2.10' }] },
          { kind: 'kubermatic', seeds: [{ location: 'Planted' }] },
        ],
      };
      await fetch(`${collector.url}/api/v1`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      const [{ _id: _a, receivedAt: _b, ...report } = {}] = await collector.reports.find().toArray();
      const [{ _id: _c, receivedAt: _d, ...record } = {}] = await collector.kubermaticRecords.find().toArray();

      expect(report).toStrictEqual({ ...expected, clusterID: 'u', nodes: [{}] });
      expect(record).toStrictEqual({ ...expected, clientUUID: 'u', kind: 'kubermatic', seeds: [{}] });
    } finally {
      await collector.close();
    }
  },
);
