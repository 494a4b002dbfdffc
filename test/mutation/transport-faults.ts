import type { Fault } from './fault.ts';

const GRPC = 'delivery/transport/grpc.ts';
const FLOW_TEST = 'test/delivery/transport/flow.test.ts';
const HTTP = 'delivery/transport/http-client.ts';
const HTTP_TEST = 'test/delivery/transport/http.test.ts';
const RETRY = 'delivery/retry.ts';
const RETRY_TEST = 'test/delivery/retry.test.ts';
const DRAIN = 'delivery/drain.ts';
const DRAIN_TEST = 'test/delivery/drain.test.ts';
const DELIVERY_TEST = 'test/delivery/delivery.test.ts';
const OUTAGE = 'delivery/outage-log.ts';
const OUTAGE_TEST = 'test/delivery/outage.test.ts';

export const TRANSPORT_FAULTS: readonly Fault[] = [
  {
    fault: 'reports are sent without back pressure',
    file: GRPC,
    from: 'if (!call.write(next.value)) {',
    to: 'if (!call.write(next.value) && entries.length === 0) {',
    test: FLOW_TEST,
  },
  {
    fault: 'the response of a rejection is read without bound',
    file: HTTP,
    from: '    if (bytes >= MAX_TEXT_BYTES) break;\n',
    to: '',
    test: FLOW_TEST,
  },
  {
    fault: 'the response to a stored report keeps its connection',
    file: HTTP,
    from: '      response.resume();\n',
    to: '',
    test: FLOW_TEST,
  },
  {
    fault: 'a request without a response waits for ever',
    file: HTTP,
    from: 'signal: signal === undefined ? deadline : AbortSignal.any([deadline, signal]),',
    to: 'signal,',
    test: HTTP_TEST,
  },
  {
    fault: 'a Retry-After with a date depends on the clock of the volunteer',
    file: HTTP,
    from: '(serverDate === undefined ? Date.now() : Date.parse(serverDate))',
    to: 'Date.now()',
    test: HTTP_TEST,
  },
  {
    fault: 'a Retry-After of a year is waited for',
    file: RETRY,
    from: 'Math.min(retryAfterMs, MAX_ASKED_MS)',
    to: 'retryAfterMs',
    test: RETRY_TEST,
  },
  {
    fault: 'clients with the same Retry-After retry at the same time',
    file: RETRY,
    from: ' * (1 + ASKED_JITTER * random())',
    to: '',
    test: RETRY_TEST,
  },
  {
    fault: 'a success does not shorten the wait after slow failures',
    file: RETRY,
    from: '      failures = 0;\n      slowFailures = 0;',
    to: '      failures = 0;',
    test: RETRY_TEST,
  },
  {
    fault: 'a slow failure is retried at once for the second time',
    file: RETRY,
    from: 'slowFailures += isSlow ? 1 : 0;',
    to: '',
    test: RETRY_TEST,
  },
  {
    fault: 'a report that always fails stops all behind it',
    file: DRAIN,
    from: 'while (errors.length === 0 || isTryingAll) {',
    to: 'while (errors.length === 0) {',
    test: DELIVERY_TEST,
  },
  {
    fault: 'the wait becomes short again although nothing was stored',
    file: DRAIN,
    from: 'if ((await queue.settle(settled)) > 0) backoff.reset();',
    to: 'await queue.settle(settled);\n    backoff.reset();',
    test: DRAIN_TEST,
  },
  {
    fault: 'an attempt is made at the deadline',
    file: DRAIN,
    from: 'clock.now().getTime() + waitMs >= deadlineMs',
    to: 'clock.now().getTime() + waitMs > deadlineMs',
    test: DRAIN_TEST,
  },
  {
    fault: 'a batch is sent after the stop',
    file: DRAIN,
    from: '      if (isStopped) return [...errors, STOPPED];\n',
    to: '',
    test: DRAIN_TEST,
  },
  {
    fault: 'a wait goes on after the stop',
    file: DRAIN,
    from: 'await clock.sleep(waitMs, stop);',
    to: 'await clock.sleep(waitMs);',
    test: DELIVERY_TEST,
  },
  {
    fault: 'passwords in the text of a server are shown',
    file: 'delivery/transport/excerpt.ts',
    from: String.raw`line.replaceAll(/\S+:\/\/\S+/g, maskUrl)`,
    to: 'line',
    test: 'test/delivery/transport/excerpt.test.ts',
  },
  {
    fault: 'the text of a server is shown whole',
    file: 'delivery/transport/excerpt.ts',
    from: 'masked.length > MAX_LENGTH ?',
    to: 'masked.length > 9 * MAX_LENGTH ?',
    test: 'test/delivery/transport/excerpt.test.ts',
  },
  {
    fault: 'a token is read once',
    file: 'delivery/client-credentials.ts',
    from: "  if (token !== undefined) await readToken(token, 'invalid');\n",
    to: "  const once = token && (await readToken(token, 'invalid'));\n  if (once) return { authorization: () => Promise.resolve(`Bearer ${once}`) };\n",
    test: 'test/delivery/client-credentials.test.ts',
  },
  {
    fault: 'an outage is logged with each attempt',
    file: OUTAGE,
    from: 'nowMs - loggedMs >= (kind === loggedKind ? DAY_MS : HOUR_MS)',
    to: 'nowMs >= loggedMs',
    test: OUTAGE_TEST,
  },
  {
    fault: 'an outage that ended is still ongoing',
    file: OUTAGE,
    from: '      sinceMs = undefined;\n',
    to: '',
    test: OUTAGE_TEST,
  },
];
