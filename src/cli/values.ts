import { isIP } from 'node:net';
import { validate, version } from 'uuid';
import { qualifiedNameProblem } from '../report/qualified-name.ts';
import { createNetworks, type Networks } from '../runtime/addresses.ts';

// Parsers of flag values. Each throws an Error whose message completes the sentence "--flag …" and quotes the value.

/** A parser that returns the text if a check does not throw. */
export function checkedBy(check: (text: string) => unknown): (text: string) => string {
  return (text) => {
    check(text);
    return text;
  };
}

export function parseText(text: string): string {
  if (text.trim() === '') throw new Error(`${JSON.stringify(text)} is empty`);
  return text;
}

/** A text of at most 256 bytes, which is a part of the input of ids (report/ids.ts). */
export function parseShortText(text: string): string {
  if (Buffer.byteLength(parseText(text)) <= 256) return text;
  throw new Error(`${JSON.stringify(`${text.slice(0, 20)}…`)} is longer than 256 bytes`);
}

export function parseSwitch(text: string): boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  throw new Error(`${JSON.stringify(text)} is neither true nor false`);
}

export function parseChoice<Choice extends string>(text: string, choices: readonly Choice[]): Choice {
  const choice = choices.find((candidate) => candidate === text);
  if (choice === undefined) throw new Error(`${JSON.stringify(text)} is none of ${choices.join(', ')}`);
  return choice;
}

export function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new Error(`${JSON.stringify(text)} is not a port: use 0 to 65535`);
}

/** Comma-separated addresses and networks, such as `10.0.0.0/8,192.0.2.7`. */
export function parseNetworks(text: string): Networks {
  const networks = text.split(',').map((network) => network.trim());
  return createNetworks(networks.filter((network) => network !== ''));
}

export function parseCount(text: string, least = 0): number {
  const count = Number(text);
  if (/^\d{1,9}$/.test(text) && count >= least) return count;
  throw new Error(`${JSON.stringify(text)} is not a number: use a whole one from ${least}`);
}

/** An address and a port: 127.0.0.1:8081, [::1]:8081, localhost:8081, or :8081 for all addresses; undefined for "off" or "". */
export function parseListen(text: string): { readonly host?: string; readonly port: number } | undefined {
  if (text === '' || text === 'off') return undefined;
  const match = /^(?:\[([^\]]+)\]|([^:[\]]*)):(\d+)$/.exec(text);
  const host = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3]);
  const isHost = host === '' || host === 'localhost' || isIP(host) === (match?.[1] === undefined ? 4 : 6);
  if (match === null || !isHost || port > 65_535) {
    throw new Error(
      `${JSON.stringify(text)} is not an address and a port: use one like 127.0.0.1:8081, [::1]:8081, :8081 for all addresses, or off`,
    );
  }
  return host === '' ? { port } : { host, port };
}

/** Comma-separated qualified names of Kubernetes, such as `example.com/tier,env`. */
export function parseQualifiedNames(text: string): readonly string[] {
  const names = text.split(',').map((name) => name.trim());
  for (const name of names) {
    const problem = qualifiedNameProblem(name);
    if (problem !== undefined) throw new Error(`${JSON.stringify(name)} ${problem}`);
  }
  return names;
}

const UNIT_BYTES: Readonly<Record<string, number>> = { '': 1, Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };

/** A number of bytes in the notation of Kubernetes: 4194304, 4096Ki, 4Mi; at least 1. */
export function parseBytes(text: string): number {
  const match = /^(\d+)(|Ki|Mi|Gi)$/.exec(text);
  const bytes = match === null ? Number.NaN : Number(match[1]) * (UNIT_BYTES[match[2] ?? ''] ?? Number.NaN);
  if (Number.isSafeInteger(bytes) && bytes >= 1) return bytes;
  throw new Error(`${JSON.stringify(text)} is not a size: use one like 4Mi, 512Ki or 1048576`);
}

const UNIT_MS: Record<string, number> = { ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1, s: 1e3, m: 6e4, h: 36e5 };

/** Milliseconds, from the notation of Go (https://pkg.go.dev/time#ParseDuration): 24h, 1h30m, 1.5h, 90s, 0; not negative. */
export function parseDurationMs(text: string): number {
  if (/^[+]?0$/.test(text)) return 0;
  const term = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/y;
  let totalMs = 0;
  let position = text.startsWith('+') ? 1 : 0;
  do {
    term.lastIndex = position;
    const match = term.exec(text);
    if (match === null)
      throw new Error(`${JSON.stringify(text)} is not a duration: use one like 24h, 90s, 1h30m, or 0`);
    totalMs += Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? Number.NaN);
    position = term.lastIndex;
  } while (position < text.length);
  return totalMs;
}

const DAY_MS = 86_400_000;

/** As parseDurationMs, and days: 400d. */
function parseDaysMs(text: string): number {
  const days = /^(\d{1,5})d$/.exec(text)?.[1];
  return days === undefined ? parseDurationMs(text) : Number(days) * DAY_MS;
}

const LONGEST_TIMEOUT_MS = 86_400_000;

/** A duration above zero, at most a day, in whole milliseconds. */
function parseTimeoutMs(text: string): number {
  const ms = Math.ceil(parseDurationMs(text));
  if (ms >= 1 && ms <= LONGEST_TIMEOUT_MS) return ms;
  throw new Error(`${JSON.stringify(text)} is not a timeout: use more than 0 and at most 24h`);
}

/** Versions 1, 2 and 6 (RFC 9562). */
const UUIDS_WITH_ADDRESS = [1, 2, 6];

/** A UUID that is not made of the address of a network card. */
export function parseUuid(text: string): string {
  const advice = 'use a random one, which `uuidgen` or `cat /proc/sys/kernel/random/uuid` prints';
  if (!validate(text)) throw new Error(`${JSON.stringify(text)} is not a UUID: ${advice}`);
  if (UUIDS_WITH_ADDRESS.includes(version(text)))
    throw new Error(`${JSON.stringify(text)} contains the address of a network card: ${advice}`);
  return text;
}

export const SWITCH = { default: 'false', parse: parseSwitch };
export const TEXT = { placeholder: 'TEXT', parse: parseText };
export const FILE = { placeholder: 'FILE', completes: 'file', parse: parseText } as const;
export const DIRECTORY = { placeholder: 'DIR', completes: 'directory', parse: parseText } as const;
export const PORT = { placeholder: 'PORT', parse: parsePort };
export const BYTES = { placeholder: 'BYTES', parse: parseBytes };
export const DURATION = { placeholder: 'DURATION', parse: parseDurationMs };
export const DAYS = { placeholder: 'DURATION', parse: parseDaysMs };
export const TIMEOUT = { placeholder: 'DURATION', parse: parseTimeoutMs };
