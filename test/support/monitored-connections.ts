import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { monitorConnections } from '../../src/collector/serve/connection-monitor.ts';

export const WRITE_TIMEOUT_MS = 20_000;

/** What the monitor uses of a socket: `writableLength` bytes wait, and the other `bytesWritten` are sent. */
export function makeSocket() {
  const events = new EventEmitter();
  const socket = Object.assign(events, {
    bytesWritten: 0,
    writableLength: 0,
    destroyed: false,
    destroy: () => {
      socket.destroyed = true;
      events.emit('close');
    },
  });
  return socket;
}
export type FakeSocket = ReturnType<typeof makeSocket>;
export const real = (socket: FakeSocket): Socket => socket as never as Socket;

export function makeMonitor(writeTimeoutMs = WRITE_TIMEOUT_MS) {
  const unread: FakeSocket[] = [];
  const monitor = monitorConnections({
    writeTimeoutMs,
    onUnread: (socket) => unread.push(socket as never as FakeSocket),
  });
  return { monitor, unread };
}

/** A connection on which so many bytes were written, and none was sent. */
export function addWaiting(monitor: ReturnType<typeof monitorConnections>, bytes: number): FakeSocket {
  const socket = makeSocket();
  monitor.addHttp1(real(socket));
  socket.bytesWritten = bytes;
  socket.writableLength = bytes;
  return socket;
}
