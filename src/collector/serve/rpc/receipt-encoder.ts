import { create, toBinary } from '@bufbuild/protobuf';
import {
  Outcome,
  type Policy,
  type Receipt,
  type StreamReportsResponseSchema,
  type SubmitReportResponseSchema,
} from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { isReportId } from '../../../report/report-id.ts';
import { encodeGrpcFrame } from './grpc-frames.ts';

type ResponseDesc = typeof SubmitReportResponseSchema | typeof StreamReportsResponseSchema;

/** An encoded response, and where the id of the report is in it. */
interface Template {
  readonly policy: Policy | undefined;
  readonly frame: Buffer;
  readonly idAt: number;
}

/**
 * Encodes responses with a receipt each as frames of gRPC. Those of stored reports differ in the id alone, which is written into a copy of
 * the first one: encoding it takes as long as decoding a small report.
 */
export function createReceiptEncoder(schema: ResponseDesc): (receipts: readonly (Receipt | undefined)[]) => Buffer {
  const templates = new Map<Outcome, Template>();
  const encode = (receipt: Receipt | undefined): Buffer =>
    encodeGrpcFrame(toBinary(schema, create(schema, { receipt })));
  const encodeOne = (receipt: Receipt | undefined): Buffer => {
    if (receipt?.outcome !== Outcome.STORED && receipt?.outcome !== Outcome.DUPLICATE) return encode(receipt);
    const { outcome, policy, reportId } = receipt;
    const template = templates.get(outcome);
    if (template === undefined || template.policy !== policy || !isReportId(reportId)) {
      const frame = encode(receipt);
      if (isReportId(reportId)) templates.set(outcome, { policy, frame, idAt: frame.indexOf(reportId) });
      return frame;
    }
    const frame = Buffer.from(template.frame);
    frame.write(reportId, template.idAt, 'latin1');
    return frame;
  };
  return (receipts) => (receipts.length === 1 ? encodeOne(receipts[0]) : Buffer.concat(receipts.map(encodeOne)));
}
