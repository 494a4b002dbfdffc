import { expect, test } from 'vitest';
import { createCallSlots } from '../../../../src/collector/serve/rpc/call-slots.ts';

test('a slot is free again when its call has ended, once however often that is told', () => {
  const slots = createCallSlots(2, 'there are 2 calls');
  const end = slots.take();
  slots.take();
  expect(() => slots.take()).toThrow('there are 2 calls');

  end();
  end();
  slots.take();

  expect(() => slots.take()).toThrow('there are 2 calls: end one before opening another');
});
