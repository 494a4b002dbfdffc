import { setTimeout as sleep } from 'node:timers/promises';
import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import type { Acknowledgement, History } from './history.ts';
import { type Client, PROTOCOL_CLIENTS, sendLegacy } from './protocols.ts';
import { makeReport } from './reports.ts';

/** Clients of every protocol that report without a break, and send again every report that was not acknowledged. */
export interface Load {
  /** Resolves once so many more reports are acknowledged. */
  acknowledged(count: number): Promise<void>;
  /** Makes no more reports, and resolves once each one is acknowledged. */
  finish(): Promise<void>;
  /** Stops at once; reports may stay unacknowledged. */
  stop(): Promise<void>;
  /** How many attempts the collector has rejected. Those without a response do not count. */
  readonly rejections: number;
}

export interface LoadOptions {
  readonly history: History;
  readonly dice: () => number;
  /** The collector to send to now; undefined while there is none. */
  readonly pickUrl: () => string | undefined;
  /** How many reports each client sends at a time. */
  readonly concurrency?: number;
  /** How long each client waits between its rounds, in milliseconds. */
  readonly pauseMs?: number;
}

/** A response that takes longer is lost. In milliseconds. */
const RESPONSE_TIMEOUT_MS = 15_000;
const RETRY_PAUSE_MS = 5;

/** A client that keeps its connection for as long as the URL is the same. */
interface Sender {
  send(url: string, report: Report): Promise<Acknowledgement | 'rejected' | undefined>;
  close(): void;
}

const legacySender = (): Sender => ({
  send: async (url, report) => {
    const response = await sendLegacy(url, report).catch(() => undefined);
    await response?.arrayBuffer().catch(() => undefined);
    if (response === undefined) return undefined;
    return response.status === 204 ? 'stored or duplicate' : 'rejected';
  },
  close: () => undefined,
});

function protocolSender(open: (url: string) => Client): Sender {
  let current: { readonly url: string; readonly client: Client } | undefined;
  const close = (): void => {
    current?.client.close();
    current = undefined;
  };
  return {
    send: async (url, report) => {
      if (current?.url !== url) close();
      current ??= { url, client: open(url) };
      const reply = await current.client.send(report).catch(() => undefined);
      // Clients report broken connections as rejections too, but only the collector says when to retry.
      return reply?.outcome === 'rejected' && reply.retryAfterMs === undefined ? undefined : reply?.outcome;
    },
    close,
  };
}

/**
 * Starts one worker for each protocol. It sends a tenth of the reports twice at once, by two protocols, and a tenth again after they were
 * acknowledged.
 */
export function startLoad({ history, dice, pickUrl, concurrency = 4, pauseMs = 0 }: LoadOptions): Load {
  const senders = [...PROTOCOL_CLIENTS.map(({ open }) => protocolSender(open)), legacySender()];
  /** Reports that were sent and not acknowledged, and that no worker sends now. */
  const unacknowledged: Report[] = [];
  const sendAgain: Report[] = [];
  let waiters: readonly { readonly goal: number; readonly resolve: () => void }[] = [];
  let rejections = 0;
  let making = true;
  let stopped = false;

  const attempt = async (sender: Sender, url: string, report: Report): Promise<boolean> => {
    const acknowledge = history.send(report);
    const responded = new AbortController();
    const acknowledgement = await Promise.race([
      sender.send(url, report),
      sleep(RESPONSE_TIMEOUT_MS, undefined, { signal: responded.signal }).catch(() => undefined),
    ]);
    responded.abort();
    if (acknowledgement === 'rejected') rejections += 1;
    if (acknowledgement === undefined || acknowledgement === 'rejected') return false;
    acknowledge(acknowledgement);
    for (const { goal, resolve } of waiters) if (history.counts.acknowledged >= goal) resolve();
    return true;
  };
  const anySender = (sender: Sender): Sender => senders[Math.floor(dice() * senders.length)] ?? sender;
  const sendOne = async (sender: Sender, url: string): Promise<void> => {
    const report = unacknowledged.shift() ?? (making ? makeReport() : undefined);
    if (report === undefined) return;
    const twice = dice() < 0.1;
    const acknowledged = await Promise.all([
      attempt(sender, url, report),
      ...(twice ? [attempt(anySender(sender), url, report)] : []),
    ]);
    if (!acknowledged.includes(true)) {
      unacknowledged.push(report);
      await sleep(RETRY_PAUSE_MS);
    } else if (dice() < 0.1) {
      sendAgain.push(report);
    }
  };
  const work = async (sender: Sender): Promise<void> => {
    while (!stopped && (making || unacknowledged.length > 0 || sendAgain.length > 0)) {
      const url = pickUrl();
      if (url === undefined) {
        await sleep(RETRY_PAUSE_MS);
        continue;
      }
      const again = sendAgain.shift();
      await Promise.all([
        ...Array.from({ length: concurrency }, () => sendOne(sender, url)),
        ...(again === undefined ? [] : [attempt(sender, url, again)]),
      ]);
      if (pauseMs > 0) await sleep(pauseMs);
    }
    sender.close();
  };
  const working = Promise.all(senders.map(work));

  return {
    acknowledged: async (count) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const waiter = { goal: history.counts.acknowledged + count, resolve };
      waiters = [...waiters, waiter];
      await promise;
      waiters = waiters.filter((each) => each !== waiter);
    },
    finish: async () => {
      making = false;
      await working;
    },
    stop: async () => {
      stopped = true;
      await working;
    },
    get rejections() {
      return rejections;
    },
  };
}
