import type { Fault } from './fault.ts';

const LOGGER = 'collector/serve/console/rate-limited-logger.ts';
const LOGGER_TEST = 'test/collector/serve/console/rate-limited-logger.test.ts';
const WARNINGS = 'collector/serve/console/cluster-warnings.ts';
const WARNINGS_TEST = 'test/collector/serve/console/cluster-warnings.test.ts';
const REJECTIONS = 'collector/serve/console/rejections.ts';
const REJECTIONS_TEST = 'test/collector/serve/console/rejections.test.ts';
const COUNTS = 'collector/serve/connection-counts.ts';
const COUNTS_TEST = 'test/collector/serve/connection-counts.test.ts';
const MONITOR = 'collector/serve/connection-monitor.ts';
const MONITOR_TEST = 'test/collector/serve/connection-monitor.test.ts';
const ROUTER = 'collector/serve/http/router.ts';
const ROUTER_TEST = 'test/collector/serve/http/router-held.test.ts';
const DEADLINE = 'collector/serve/admission/body-deadline.ts';
const DEADLINE_TEST = 'test/collector/serve/admission/body-deadline.test.ts';

export const CONSOLE_FAULTS: readonly Fault[] = [
  {
    fault: 'each suppressed line has a timer',
    file: LOGGER,
    from: 'if (isFirst) void summarise(',
    to: 'void summarise(',
    test: LOGGER_TEST,
  },
  {
    fault: 'suppressed lines are counted for good',
    file: LOGGER,
    from: '    counts = new Map();\n',
    to: '',
    test: LOGGER_TEST,
  },
  {
    fault: 'two lines are written in a second',
    file: LOGGER,
    from: '    lastLineMs = clock.now().getTime();\n    if (more === 0)',
    to: '    if (more === 0)',
    test: LOGGER_TEST,
  },
  {
    fault: 'the last suppressed lines are lost when the program stops',
    file: LOGGER,
    from: 'await clock.sleep(waitMs, stop);',
    to: 'await clock.sleep(waitMs);',
    test: LOGGER_TEST,
  },
  {
    fault: 'an error is summarised as an info line',
    file: LOGGER,
    from: 'if (worst === undefined || LEVELS.indexOf(level) > LEVELS.indexOf(worst.level)) worst',
    to: 'if (worst === undefined) worst',
    test: LOGGER_TEST,
  },
  {
    fault: 'the clusters of an hour are remembered without bound',
    file: WARNINGS,
    from: 'if (clusters.size >= MAX_CLUSTERS || clusters.has(clusterKey)) return;',
    to: 'if (clusters.has(clusterKey)) return;',
    test: WARNINGS_TEST,
  },
  {
    fault: 'the clusters of an hour are remembered for good',
    file: WARNINGS,
    from: 'if (ageMs >= HOUR_MS || ageMs < 0) hour',
    to: 'if (ageMs < 0) hour',
    test: WARNINGS_TEST,
  },
  {
    fault: 'a clock that was set back stops the warnings of clusters',
    file: WARNINGS,
    from: ' && nowMs >= lastMs) return;',
    to: ') return;',
    test: WARNINGS_TEST,
  },
  {
    fault: 'a clock that was set back keeps the clusters of the hour',
    file: WARNINGS,
    from: 'if (ageMs >= HOUR_MS || ageMs < 0) hour',
    to: 'if (ageMs >= HOUR_MS) hour',
    test: WARNINGS_TEST,
  },
  {
    fault: 'rejections are not counted',
    file: REJECTIONS,
    from: '    metrics.countRejection(protocol, kind);\n',
    to: '',
    test: REJECTIONS_TEST,
  },
  {
    fault: 'messages that may quote a report are logged',
    file: REJECTIONS,
    from: '...(verbose ? { reason: messageOf(thrown) } : {})',
    to: 'reason: messageOf(thrown)',
    test: REJECTIONS_TEST,
  },
  {
    fault: 'an internal error is logged without its cause',
    file: REJECTIONS,
    from: "logger.error({ protocol, err: thrown }, 'a request failed')",
    to: "logger.error({ protocol }, 'a request failed')",
    test: REJECTIONS_TEST,
  },
  {
    fault: 'closed connections count as new ones',
    file: COUNTS,
    from: '        sockets.delete(socket);\n',
    to: '',
    test: COUNTS_TEST,
  },
  {
    fault: 'the bytes of closed connections are forgotten',
    file: COUNTS,
    from: '        closedBytes += socket.bytesRead;\n',
    to: '',
    test: COUNTS_TEST,
  },
  {
    fault: 'closed connections of a version stay open in the counts',
    file: COUNTS,
    from: "      socket.once('close', () => (routed[kind] -= 1));\n",
    to: '',
    test: COUNTS_TEST,
  },
  {
    fault: 'connections that the monitor watches are kept after their end',
    file: MONITOR,
    from: "    socket.once('close', () => connections.delete(socket));\n",
    to: '',
    test: MONITOR_TEST,
  },
  {
    fault: 'the timer of the monitor is not cleared',
    file: MONITOR,
    from: 'end: () => clearInterval(timer),',
    to: 'end: () => undefined,',
    test: MONITOR_TEST,
  },
  {
    fault: 'a monitor that stops keeps its first timer',
    file: MONITOR,
    from: '      clearInterval(timer);\n      timer = setInterval(check, STOP_CHECK_INTERVAL_MS);',
    to: '      timer = setInterval(check, STOP_CHECK_INTERVAL_MS);',
    test: MONITOR_TEST,
  },
  {
    fault: 'an HTTP/1.1 connection has eleven requests at a time',
    file: MONITOR,
    from: 'count > MAX_PIPELINED ||',
    to: 'count > MAX_PIPELINED + 1 ||',
    test: MONITOR_TEST,
  },
  {
    fault: 'an HTTP/1.1 connection has nine requests at a time',
    file: MONITOR,
    from: 'count > MAX_PIPELINED ||',
    to: 'count >= MAX_PIPELINED ||',
    test: MONITOR_TEST,
  },
  {
    fault: 'a request of HTTP/1.1 that was answered keeps its place',
    file: MONITOR,
    from: '(requests.get(socket) ?? 1) - 1',
    to: '(requests.get(socket) ?? 1)',
    test: MONITOR_TEST,
  },
  {
    fault: 'a client that reads a byte now and then is never cut',
    file: MONITOR,
    from: 'untilSentBytes: sentBytes + bytes }',
    to: 'untilSentBytes: sentBytes + 1 }',
    test: MONITOR_TEST,
  },
  {
    fault: 'a client that reads everything is cut',
    file: MONITOR,
    from: 'if (blocked === undefined || sentBytes >= blocked.untilSentBytes)',
    to: 'if (blocked === undefined)',
    test: MONITOR_TEST,
  },
  {
    fault: 'a connection that waits with much has the whole time',
    file: MONITOR,
    from: '|| isPressed) cut',
    to: '|| (isPressed && stopping)) cut',
    test: MONITOR_TEST,
  },
  {
    fault: 'the rest of a rejected legacy body is read into memory',
    file: ROUTER,
    from: "        req.off('data', onData);\n",
    to: '',
    test: ROUTER_TEST,
  },
  {
    fault: 'a legacy body has no deadline',
    file: ROUTER,
    from: 'startBodyDeadline(reject)',
    to: 'startBodyDeadline(() => undefined)',
    test: ROUTER_TEST,
  },
  {
    fault: 'the memory of a legacy body is not counted',
    file: ROUTER,
    from: '        reservation.resize(bytes);\n',
    to: '',
    test: ROUTER_TEST,
  },
  {
    fault: 'a legacy body of exactly the limit is rejected',
    file: ROUTER,
    from: '        if (bytes > maxBytes) throw',
    to: '        if (bytes >= maxBytes) throw',
    test: ROUTER_TEST,
  },
  {
    fault: 'a legacy body of one byte more than the limit is accepted',
    file: ROUTER,
    from: '        if (bytes > maxBytes) throw',
    to: '        if (bytes > maxBytes + 1) throw',
    test: ROUTER_TEST,
  },
  {
    fault: 'the memory of a legacy request is not released',
    file: ROUTER,
    from: '      .finally(() => reservation.end())\n',
    to: '',
    test: ROUTER_TEST,
  },
  {
    fault: 'a rejection says to retry before the time',
    file: ROUTER,
    from: 'Math.ceil(retryAfterMs / 1000)',
    to: 'Math.floor(retryAfterMs / 1000)',
    test: ROUTER_TEST,
  },
  {
    fault: 'a rejected legacy request is not counted',
    file: ROUTER,
    from: "    onRejection('http', error);\n",
    to: '',
    test: ROUTER_TEST,
  },
  {
    fault: 'a deadline that is paused fires',
    file: DEADLINE,
    from: 'pause(): void {\n      waiting.delete(this);',
    to: 'pause(): void {',
    test: DEADLINE_TEST,
  },
  {
    fault: 'a deadline that is restarted has only the rest of its time',
    file: DEADLINE,
    from: 'this.endsAtMs = performance.now() + ms;',
    to: 'this.endsAtMs ||= performance.now() + ms;',
    test: DEADLINE_TEST,
  },
  {
    fault: 'the time of a body is not cleared',
    file: DEADLINE,
    from: 'this.#hasEnded = true;\n      waiting.delete(this);',
    to: 'this.#hasEnded = true;',
    test: DEADLINE_TEST,
  },
];
