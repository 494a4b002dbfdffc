import { MongoServerError } from 'mongodb';

/** https://www.mongodb.com/docs/manual/reference/error-codes/ */
const CODES = {
  unauthorized: 13,
  namespaceNotFound: 26,
  namespaceExists: 48,
  commandNotFound: 59,
  invalidOptions: 72,
  indexOptionsConflict: 85,
  indexKeySpecsConflict: 86,
} as const;

/** Whether the user lacks the right to a command. */
export function isUnauthorized(error: unknown): boolean {
  return hasCode(error, CODES.unauthorized);
}

export function isNamespaceNotFound(error: unknown): boolean {
  return hasCode(error, CODES.namespaceNotFound);
}

export function isCommandNotFound(error: unknown): boolean {
  return hasCode(error, CODES.commandNotFound);
}

export function isNamespaceExists(error: unknown): boolean {
  return hasCode(error, CODES.namespaceExists);
}

/** Whether the server does not have an option, such as a storage engine that this one does not use. */
export function isInvalidOptions(error: unknown): boolean {
  return hasCode(error, CODES.invalidOptions);
}

/** Whether an index with the same name or the same keys exists. */
export function isIndexConflict(error: unknown): boolean {
  return hasCode(error, CODES.indexOptionsConflict) || hasCode(error, CODES.indexKeySpecsConflict);
}

function hasCode(error: unknown, code: number): boolean {
  return error instanceof MongoServerError && error.code === code;
}
