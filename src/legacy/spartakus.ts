import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { isFieldError } from '@bufbuild/protobuf/reflect';

import { type Report, ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { messageOf, SpartakusError } from '../report/errors.ts';

/**
 * The report in the body of POST /api/v1. Legacy Spartakus JSON is the protobuf JSON of Report; fields that are not known are
 * ignored.
 *
 * @param body UTF-8
 * @throws SpartakusError of kind `invalid` that names what is not JSON, or the field that has the wrong type
 */
export function parseSpartakusReport(body: Uint8Array): Report {
  return readReport(parseJson(body));
}

function parseJson(body: Uint8Array): JsonValue {
  try {
    return JSON.parse(new TextDecoder().decode(body)) as JsonValue;
  } catch (error) {
    throw new SpartakusError('invalid', `the body is not JSON: ${messageOf(error)}`, { cause: error });
  }
}

function readReport(json: JsonValue): Report {
  try {
    return fromJson(ReportSchema, json, { ignoreUnknownFields: true });
  } catch (error) {
    throw notAReport(error);
  }
}

/** The decoder's complaint, with the field named as the JSON names it. */
function notAReport(error: unknown): SpartakusError {
  const cause = error instanceof Error ? error.cause : undefined;
  if (!isFieldError(cause)) {
    return new SpartakusError('invalid', `the body is no report: ${messageOf(error)}`, { cause: error });
  }
  const field = cause.field();
  const name = field.kind === 'field' ? field.jsonName : field.name;
  const path = field.parent.typeName === ReportSchema.typeName ? name : `${field.parent.name}.${name}`;
  return new SpartakusError('invalid', `the body is no report: ${path}: ${cause.message}`, { field: path, cause });
}
