import type { Fault } from './fault.ts';

const HEALTH = 'collector/serve/rpc/health-service.ts';
const HEALTH_TEST = 'test/collector/serve/rpc/health-service.test.ts';
const PROXY = 'collector/serve/admission/proxy-protocol.ts';
const PROXY_TEST = 'test/collector/serve/admission/proxy-protocol.test.ts';
const GUARD = 'collector/serve/session-guard.ts';
const GUARD_TEST = 'test/collector/serve/session-guard.test.ts';
const REFLECTION = 'collector/serve/rpc/reflection-service.ts';
const ENGINE = 'collector/store/engine/supervise-engine.ts';
const ENGINE_TEST = 'test/collector/store/engine/supervise-engine.test.ts';
const ANSWERS = 'collector/statistics/cached-answers.ts';
const ANSWERS_TEST = 'test/collector/statistics/cached-answers.test.ts';
const DASHBOARD = 'collector/serve/console/dashboard-routes.ts';
const DASHBOARD_TEST = 'test/collector/serve/console/dashboard-routes.test.ts';

/** What is given back by connections, services and long-running parts of the collector. */
export const RELEASE_FAULTS: readonly Fault[] = [
  {
    fault: 'each Watch of the health service is told of changes after its end',
    file: HEALTH,
    from: "      signal.addEventListener('abort', () => listeners.delete(listener), { once: true });\n",
    to: '',
    test: HEALTH_TEST,
  },
  {
    fault: 'a Watch whose client has left waits for the next change',
    file: HEALTH,
    from: "        ended.addEventListener('abort', onChange, { once: true });\n",
    to: '',
    test: HEALTH_TEST,
  },
  {
    fault: 'a Watch waits for the next change when the collector stops',
    file: HEALTH,
    from: 'AbortSignal.any([signal, stopping])',
    to: 'AbortSignal.any([signal])',
    test: HEALTH_TEST,
  },
  {
    fault: 'the clients of closed connections behind a proxy are remembered for good',
    file: PROXY,
    from: '      if (clients.get(key) === client) clients.delete(key);\n',
    to: '',
    test: PROXY_TEST,
  },
  {
    fault: 'the client of a new connection behind a proxy is forgotten with the old one of the same port',
    file: PROXY,
    from: 'if (clients.get(key) === client) clients.delete(key);',
    to: 'clients.delete(key);',
    test: PROXY_TEST,
  },
  {
    fault: 'the deadline of a header of the PROXY protocol ends its connection after the header',
    file: PROXY,
    from: '        clearTimeout(timer);\n',
    to: '',
    test: PROXY_TEST,
  },
  {
    fault: 'a connection behind a proxy keeps the listeners of its header',
    file: PROXY,
    from: "        socket.off('readable', onReadable);\n        socket.off('end', onEnd);\n        socket.off('close', stop);\n",
    to: "        socket.off('readable', onReadable);\n",
    test: PROXY_TEST,
  },
  {
    fault: 'a client that acknowledges a ping is cut',
    file: GUARD,
    from: '      clearTimeout(deadline);\n',
    to: '',
    test: GUARD_TEST,
  },
  {
    fault: 'the deadlines of acknowledged pings are remembered for the life of a connection',
    file: GUARD,
    from: '      timers.delete(deadline);\n',
    to: '',
    test: GUARD_TEST,
  },
  {
    fault: 'a connection is checked for idleness once',
    file: GUARD,
    from: '    idle.refresh();\n',
    to: '',
    test: GUARD_TEST,
  },
  {
    fault: 'streams of a connection that is too old have no end',
    file: GUARD,
    from: '      later(bodyTimeoutMs, () => session.destroy());\n',
    to: '',
    test: GUARD_TEST,
  },
  {
    fault: 'a client with open streams that sends nothing is not pinged',
    file: GUARD,
    from: 'if (socket.bytesRead === receivedBytes) probe();',
    to: '',
    test: GUARD_TEST,
  },
  {
    fault: 'responses of the reflection service are not given back',
    file: REFLECTION,
    from: "        signal.removeEventListener('abort', release);\n        release();",
    to: "        signal.removeEventListener('abort', release);",
    test: 'test/collector/serve/rpc/reflection-service.test.ts',
  },
  {
    fault: 'each response of the reflection service leaves a listener on its stream',
    file: REFLECTION,
    from: "        signal.removeEventListener('abort', release);\n",
    to: '',
    test: 'test/collector/serve/rpc/reflection-service.test.ts',
  },
  {
    fault: 'a start that has ended keeps the timer of its deadline',
    file: 'collector/start-deadline.ts',
    from: '    settled.abort();\n',
    to: '',
    test: 'test/collector/start-deadline.test.ts',
  },
  {
    fault: 'operations that have ended are remembered for the life of the engine',
    file: ENGINE,
    from: '.finally(() => pending.delete(reject))',
    to: '',
    test: ENGINE_TEST,
  },
  {
    fault: 'an engine that starts while the collector stops runs on',
    file: ENGINE,
    from: '      await running;\n      // A start that was in progress may have succeeded.\n      await engine.close();',
    to: '      await running;',
    test: ENGINE_TEST,
  },
  {
    fault: 'the pause before a start of the engine goes on after the stop',
    file: ENGINE,
    from: 'await clock.sleep(pauseMs, stop.signal);',
    to: 'await clock.sleep(pauseMs);',
    test: ENGINE_TEST,
  },
  {
    fault: 'answers of statistics are kept without bound',
    file: ANSWERS,
    from: 'if (cached.size > MAX_RESPONSES && oldest !== undefined) cached.delete(oldest);',
    to: '',
    test: ANSWERS_TEST,
  },
  {
    fault: 'a failed answer of statistics is kept',
    file: ANSWERS,
    from: '      response.catch(() => cached.delete(key));\n',
    to: '      response.catch(() => undefined);\n',
    test: ANSWERS_TEST,
  },
  {
    fault: 'an answer of statistics is kept beyond its time',
    file: ANSWERS,
    from: 'known.expiresAtMs > nowMs',
    to: 'known.expiresAtMs >= nowMs',
    test: ANSWERS_TEST,
  },
  {
    fault: 'the oldest answer of statistics is the one that was asked for first, not made first',
    file: ANSWERS,
    from: '      cached.delete(key);\n      cached.set',
    to: '      cached.set',
    test: ANSWERS_TEST,
  },
  {
    fault: 'a dashboard that cannot be loaded once cannot be loaded again',
    file: DASHBOARD,
    from: '    loading.catch(() => (loading = undefined));\n',
    to: '',
    test: DASHBOARD_TEST,
  },
  {
    fault: 'a failed compression of the dashboard is kept',
    file: DASHBOARD,
    from: '        representation.catch(() => representations.delete(encoding));\n',
    to: '',
    test: DASHBOARD_TEST,
  },
  {
    fault: 'a stream may exceed the bytes of its address',
    file: 'collector/serve/admission/admission.ts',
    from: 'Math.max(rateLimiter.reserve(addressKey), debtMs(origin))',
    to: 'rateLimiter.reserve(addressKey)',
    test: 'test/collector/serve/admission/admission.test.ts',
  },
  {
    fault: 'a stream that is reset in the moment of its rejection throws',
    file: 'collector/serve/rpc/grpc-handler.ts',
    from: '  // A response would throw.\n  if (stream.destroyed || stream.closed) return;\n',
    to: '',
    test: 'test/collector/serve/rpc/grpc-handler.test.ts',
  },
  {
    fault: 'a stream that is reset counts as rejected',
    file: 'collector/serve/rpc/grpc-handler.ts',
    from: '  if (stream.destroyed || stream.closed) return;\n  server.onRejection',
    to: '  server.onRejection',
    test: 'test/collector/serve/rpc/grpc-handler.test.ts',
  },
  {
    fault: 'the timer of a rejected stream outlives it',
    file: 'collector/serve/stop-sending.ts',
    from: "  stream.once('close', () => clearTimeout(timer));\n",
    to: '',
    test: 'test/collector/serve/stop-sending.test.ts',
  },
  {
    fault: 'a stream whose client has sent everything is reset',
    file: 'collector/serve/stop-sending.ts',
    from: '  if (stream.readableEnded) return;\n',
    to: '',
    test: 'test/collector/serve/stop-sending.test.ts',
  },
];
