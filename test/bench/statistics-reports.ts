import { create } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import { BSON } from 'mongodb';
import { createRandom, generateReports, type Random } from '../../deploy/demo/population.ts';
import { ExtensionSchema, type Report } from '../../gen/spartakus/report/v1/report_pb.js';
import { createFactMaker } from '../../src/collector/statistics/facts.ts';
import releases from '../../src/collector/statistics/kubernetes-releases.json' with { type: 'json' };
import { createReportId } from '../../src/report/report-id.ts';
import { toDocument } from '../../src/report/stored-document.ts';

/** Made-up reports of many clusters, fast: clusters share the contents of some thousand reports of the demo's population. */
export interface Reports {
  /** The report of a cluster as it is received, with the version that the cluster runs at that time. */
  message(cluster: number, receivedAt: Date): Report;
  /** Its document in BSON, with facts made by the collector's own code. */
  document(cluster: number, receivedAt: Date): Uint8Array;
}

interface Template {
  readonly report: Report;
  /** The document without what differs from report to report. */
  readonly fields: Uint8Array;
}

const MAX_TEMPLATES = 4_000;
const POPULATION_DAYS = 6;
/** Of a stored document: the facts are those of all nodes, and nothing that is measured reads the nodes. */
const STORED_NODES = 3;
/** Kernels of a distribution, and names of extensions. */
const PATCHES = 120;
const EXTENSIONS = 200;
const EXTENDED_SHARE = 0.3;
/** One cluster in so many has a later minor version in the second half of the time. */
const UPGRADED = 30;

export function createReports(clusters: number, until: Date, upgradedFrom: Date): Reports {
  const random = createRandom(7);
  // About half of a population reports within a week.
  const population = { clusters: 2 * Math.min(clusters, MAX_TEMPLATES), seed: 1, until, days: POPULATION_DAYS };
  const reports = [...generateReports(population)].map((report) => vary(report, random));
  const templates = reports.map(toTemplate);
  const upgraded = reports.map((report) => toTemplate(upgrade(report)));
  const makeFacts = createFactMaker();
  const templateOf = (cluster: number, receivedAt: Date): Template => {
    const isUpgraded = cluster % UPGRADED === 0 && receivedAt >= upgradedFrom;
    const found = (isUpgraded ? upgraded : templates)[cluster % templates.length];
    if (found === undefined) throw new Error('there are no reports');
    return found;
  };
  const message = (cluster: number, receivedAt: Date): Report => ({
    ...templateOf(cluster, receivedAt).report,
    clusterId: clusterIdOf(cluster),
    reportId: createReportId(receivedAt, randomBytes(random)),
    observedAt: timestampFromDate(receivedAt),
  });
  return {
    message,
    document: (cluster, receivedAt) => {
      const report = message(cluster, receivedAt);
      const facts = makeFacts(report, { receivedAt, dialect: 'report' });
      const own = { _id: report.reportId, receivedAt, facts, clusterID: report.clusterId, observedAt: receivedAt };
      return joinDocuments(BSON.serialize(own), templateOf(cluster, receivedAt).fields);
    },
  };
}

/** More kernels and extensions than the demo has. Small numbers are more frequent. */
function vary(report: Report, random: Random): Report {
  const patch = String(Math.floor(random() ** 3 * PATCHES));
  for (const node of report.nodes) node.kernelVersion = node.kernelVersion?.replace(/^(\d+\.\d+)\.\d+/, `$1.${patch}`);
  if (random() < EXTENDED_SHARE) {
    const name = `example.com/extension-${Math.floor(random() ** 3 * EXTENSIONS)}`;
    report.extensions = [create(ExtensionSchema, { name, value: 'true' })];
  }
  return report;
}

function upgrade(report: Report): Report {
  const minors = releases.minors.map(({ minor }) => minor);
  const next = (version: string | undefined): string | undefined =>
    version?.replace(/\d+\.\d+/, (minor) => minors[minors.indexOf(minor) + 1] ?? minor);
  return {
    ...report,
    masterVersion: next(report.masterVersion),
    nodes: report.nodes.map((node) => ({ ...node, kubeletVersion: next(node.kubeletVersion) })),
  };
}

function toTemplate(report: Report): Template {
  const stored = { ...report, nodes: report.nodes.slice(0, STORED_NODES) };
  const {
    _id,
    receivedAt: _received,
    clusterID: _cluster,
    observedAt: _observed,
    ...fields
  } = toDocument(stored, new Date(0));
  return { report, fields: BSON.serialize(fields) };
}

/** One document with the fields of both: https://bsonspec.org/spec.html */
function joinDocuments(left: Uint8Array, right: Uint8Array): Uint8Array {
  const joined = Buffer.allocUnsafe(left.length + right.length - 5);
  joined.set(left);
  joined.set(right.subarray(4), left.length - 1);
  joined.writeInt32LE(joined.length);
  return joined;
}

export function clusterIdOf(cluster: number): string {
  return `00000000-0000-4000-8000-${cluster.toString(16).padStart(12, '0')}`;
}

function randomBytes(random: Random): Uint8Array {
  return Uint8Array.from({ length: 16 }, () => Math.floor(random() * 256));
}
