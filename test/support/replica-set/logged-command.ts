import type { Doc, Request } from './wire.ts';

/** A command that a member or mongos received, as far as tests look at it. */
export interface LoggedCommand {
  /** The index of the server that received it. */
  readonly member: number;
  readonly isPrimary: boolean;
  /** Such as "insert". */
  readonly name: string;
  readonly collection: string;
  readonly readPreference?: Doc;
  readonly writeConcern?: Doc;
  readonly maxTimeMs?: number;
  /** Whether a driver may send it again. */
  readonly isRetryable: boolean;
}

export function logCommand(
  { name, body }: Request,
  { member, isPrimary }: Pick<LoggedCommand, 'member' | 'isPrimary'>,
): LoggedCommand {
  const { $readPreference, writeConcern, maxTimeMS, txnNumber } = body;
  return {
    member,
    isPrimary,
    name,
    collection: String(body[name]),
    ...($readPreference === undefined ? {} : { readPreference: plain($readPreference) }),
    ...(writeConcern === undefined ? {} : { writeConcern: plain(writeConcern) }),
    ...(maxTimeMS === undefined ? {} : { maxTimeMs: Number(maxTimeMS) }),
    isRetryable: txnNumber !== undefined,
  };
}

/** Numbers of BSON as numbers. */
function plain(document: unknown): Doc {
  return JSON.parse(
    JSON.stringify(document, (_key, value: unknown) =>
      typeof value === 'object' && value !== null && '_bsontype' in value ? Number(value) : value,
    ),
  ) as Doc;
}
