import { expect, test } from 'vitest';
import { toCsv } from '../../../src/collector/dashboard/csv.ts';

test('a table becomes lines of RFC 4180, with a byte order mark', () => {
  const rows = [
    ['a "quoted", value', 1],
    ['plain', 0.25],
  ];

  expect(toCsv({ columns: ['Value', 'Clusters'], rows })).toBe(
    '\uFEFFValue,Clusters\r\n"a ""quoted"", value",1\r\nplain,0.25\r\n',
  );
});

test.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1'])('a spreadsheet does not compute the value %j', (value) => {
  expect(toCsv({ columns: ['Value'], rows: [[value]] })).toBe(`\uFEFFValue\r\n'${value}\r\n`);
});

test('a negative number stays a number', () => {
  expect(toCsv({ columns: ['Change'], rows: [[-5]] })).toBe('\uFEFFChange\r\n-5\r\n');
});
