import type { CallMessage } from './limited-body.ts';

/** The messages of one call of Connect, on their way from the body to the service, in order. */
export interface CallMessages {
  push(message: CallMessage): void;
  /** The next message; the caller ends its reservation. */
  take(): CallMessage | undefined;
  /** Ends the reservations of messages that were not taken. */
  end(): void;
}

export function createCallMessages(): CallMessages {
  const queue: CallMessage[] = [];
  let ended = false;
  return {
    push(message) {
      if (ended) message.reservation.end();
      else queue.push(message);
    },
    take: () => queue.shift(),
    end() {
      ended = true;
      for (const { reservation } of queue.splice(0)) reservation.end();
    },
  };
}
