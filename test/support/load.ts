import { setTimeout as sleep } from 'node:timers/promises';
import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import { type Client, sendLegacy, PROTOCOL_CLIENTS } from '../contract/protocols.ts';
import { makeReport } from '../contract/report-sink.ts';
import type { Acknowledgement, History } from './history.ts';

/** Clients of every protocol that report without a break, and send again what was not acknowledged. */
export interface Load {
  /** Makes no more reports, and resolves once each one is acknowledged. */
  finish(): Promise<void>;
  /** Stops, whatever is open. */
  stop(): Promise<void>;
}

export interface LoadOptions {
  readonly history: History;
  readonly dice: () => number;
  /** Where to send now; undefined while there is nowhere. */
  readonly pickUrl: () => string | undefined;
  /** How many reports each client sends at a time. */
  readonly atOnce?: number;
  /** How long a client rests before it sends again, in milliseconds. */
  readonly restMs?: number;
}

/** An answer that does not come by then is none. In milliseconds. */
const ANSWER_TIMEOUT_MS = 15_000;
const PAUSE_MS = 5;

/** A client that keeps its connection for as long as the address is the same. */
interface Sender {
  send(url: string, report: Report): Promise<Acknowledgement | undefined>;
  close(): void;
}

const legacySender = (): Sender => ({
  send: async (url, report) => {
    const response = await sendLegacy(url, report).catch(() => undefined);
    await response?.arrayBuffer().catch(() => undefined);
    return response?.status === 204 ? 'stored or duplicate' : undefined;
  },
  close: () => undefined,
});

function wireSender(open: (url: string) => Client): Sender {
  let current: { readonly url: string; readonly client: Client } | undefined;
  const close = (): void => {
    current?.client.close();
    current = undefined;
  };
  return {
    send: async (url, report) => {
      if (current?.url !== url) close();
      current ??= { url, client: open(url) };
      const heard = await current.client.send(report).catch(() => undefined);
      return heard === undefined || heard.outcome === 'rejected' ? undefined : heard.outcome;
    },
    close,
  };
}

/**
 * One worker for each way in. A tenth of the reports goes out twice at once, over two protocols, and a tenth again although they were
 * acknowledged.
 */
export function startLoad({ history, dice, pickUrl, atOnce = 4, restMs = 0 }: LoadOptions): Load {
  const senders = [...PROTOCOL_CLIENTS.map(({ open }) => wireSender(open)), legacySender()];
  /** What was sent and not acknowledged, with nobody at it. */
  const unheard: Report[] = [];
  const known: Report[] = [];
  let making = true;
  let stopped = false;

  const attempt = async (sender: Sender, url: string, report: Report): Promise<boolean> => {
    const hear = history.send(report);
    const guard = new AbortController();
    const how = await Promise.race([
      sender.send(url, report),
      sleep(ANSWER_TIMEOUT_MS, undefined, { signal: guard.signal }).catch(() => undefined),
    ]);
    guard.abort();
    if (how !== undefined) hear(how);
    return how !== undefined;
  };
  const another = (sender: Sender): Sender => senders[Math.floor(dice() * senders.length)] ?? sender;
  const sendOne = async (sender: Sender, url: string): Promise<void> => {
    const report = unheard.shift() ?? (making ? makeReport() : undefined);
    if (report === undefined) return;
    const twice = dice() < 0.1;
    const heard = await Promise.all([
      attempt(sender, url, report),
      ...(twice ? [attempt(another(sender), url, report)] : []),
    ]);
    if (!heard.includes(true)) {
      unheard.push(report);
      await sleep(PAUSE_MS);
    } else if (dice() < 0.1) {
      known.push(report);
    }
  };
  const work = async (sender: Sender): Promise<void> => {
    while (!stopped && (making || unheard.length > 0 || known.length > 0)) {
      const url = pickUrl();
      if (url === undefined) {
        await sleep(PAUSE_MS);
        continue;
      }
      const again = known.shift();
      await Promise.all([
        ...Array.from({ length: atOnce }, () => sendOne(sender, url)),
        ...(again === undefined ? [] : [attempt(sender, url, again)]),
      ]);
      if (restMs > 0) await sleep(restMs);
    }
    sender.close();
  };
  const working = Promise.all(senders.map(work));

  return {
    finish: async () => {
      making = false;
      await working;
    },
    stop: async () => {
      stopped = true;
      await working;
    },
  };
}
