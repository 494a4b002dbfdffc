import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type ClientUnaryCall, Metadata, type ServiceError } from '@grpc/grpc-js';
import {
  CollectorService,
  SubmitKubermaticReportRequestSchema,
  type SubmitKubermaticReportResponse,
  SubmitKubermaticReportResponseSchema,
} from '../../gen/spartakus/collector/v1/collector_service_pb.js';
import type { Envelope } from '../../gen/spartakus/kubermatic/v1/envelope_pb.js';
import { NO_ACCESS } from '../delivery/client-credentials.ts';
import { openRpcClient } from '../delivery/transport/grpc-client.ts';
import { parseGrpcUrl, portOf } from '../delivery/transport/grpc-url.ts';
import { errorOf, outcomeOf, type RpcConfig, type RpcOptions } from '../delivery/transport/grpc.ts';
import { placeBehind, proxyFor } from '../delivery/transport/proxy.ts';
import type { EnvelopeSink, Outcome } from '../report/report-sink.ts';
import { SpartakusError } from '../runtime/errors.ts';
import { createPending } from '../runtime/pending.ts';

const METHOD = `/${CollectorService.typeName}/${CollectorService.method.submitKubermaticReport.name}`;

/**
 * A collector that takes Kubermatic's report over gRPC, and answers for each record by itself. Nothing connects before the first put. Throws
 * a SpartakusError `invalid` where the URL is wrong, or that of a proxy.
 */
export function openKubermaticRpcSink({ url }: RpcConfig, options: RpcOptions = {}): EnvelopeSink {
  const { timeoutMs = 60_000, access = NO_ACCESS, env = {}, signal } = options;
  const target = parseGrpcUrl(url, '--url');
  const proxy = proxyFor({ kind: 'grpc', host: target.host, port: portOf(target.authority) }, env);
  const place = placeBehind(proxy, url);
  const client = openRpcClient(target, access, proxy?.url);
  const pending = createPending();

  const call = (envelope: Envelope, authorization: string | undefined): Promise<SubmitKubermaticReportResponse> => {
    const metadata = new Metadata();
    if (authorization !== undefined) metadata.set('authorization', authorization);
    const { promise, resolve, reject } = Promise.withResolvers<SubmitKubermaticReportResponse>();
    const onAnswer = (error: ServiceError | null, response?: SubmitKubermaticReportResponse): void => {
      if (response !== undefined) resolve(response);
      // One report: that it is too large is final.
      else
        reject(
          error === null
            ? new SpartakusError('internal', `The collector at ${place} answered nothing.`)
            : errorOf(error, place, 1),
        );
    };
    const unary: ClientUnaryCall = client.makeUnaryRequest<Envelope, SubmitKubermaticReportResponse>(
      METHOD,
      (message) =>
        Buffer.from(
          toBinary(
            SubmitKubermaticReportRequestSchema,
            create(SubmitKubermaticReportRequestSchema, { envelope: message }),
          ),
        ),
      (bytes) => fromBinary(SubmitKubermaticReportResponseSchema, bytes),
      envelope,
      metadata,
      { deadline: Date.now() + timeoutMs },
      onAnswer,
    );
    const cancel = (): void => unary.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    if (signal?.aborted === true) cancel();
    return promise.finally(() => signal?.removeEventListener('abort', cancel));
  };
  const put = async (envelope: Envelope): Promise<readonly Outcome[]> => {
    try {
      const { receipts } = await call(envelope, await access.authorization());
      const none: Outcome = {
        status: 'failed',
        error: new SpartakusError('internal', `The collector at ${place} gave no receipt for a record.`),
      };
      return envelope.records.map((_, index) => {
        const receipt = receipts[index];
        return receipt === undefined ? none : outcomeOf(receipt, place);
      });
    } catch (error) {
      const outcome: Outcome = { status: 'failed', error: SpartakusError.from(error) };
      return envelope.records.map(() => outcome);
    }
  };

  return {
    put: (envelope) => pending.add(put(envelope)),
    close: async () => {
      await pending.settled();
      client.close();
    },
  };
}
