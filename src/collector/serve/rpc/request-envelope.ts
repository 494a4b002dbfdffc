import { SubmitKubermaticReportRequestSchema } from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import type { Envelope } from '../../../../gen/spartakus/kubermatic/v1/envelope_pb.js';
import { SpartakusError } from '../../../runtime/errors.ts';
import { type KubermaticSubmission, readEnvelope } from '../../legacy/kubermatic.ts';
import { withRequestPath } from './field-path.ts';

/** @throws SpartakusError `invalid` with the path of the field from the request message */
export function readRequestEnvelope(envelope: Envelope | undefined, keepCountry: boolean): KubermaticSubmission {
  if (envelope === undefined) throw new SpartakusError('invalid', 'envelope is required', { field: 'envelope' });
  try {
    if (envelope.clientUuid.trim() === '') {
      throw new SpartakusError(
        'invalid',
        'clientUUID is required: a text that identifies this installation, such as a random UUID',
        { field: 'clientUUID' },
      );
    }
    return readEnvelope(envelope, { keepCountry });
  } catch (error) {
    throw withRequestPath(error, SubmitKubermaticReportRequestSchema, 'envelope');
  }
}
