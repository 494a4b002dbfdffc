import { parseText } from './values.ts';

/** Where agents write and the reporter reads; the default is that of Kubermatic's own. */
export const RECORD_DIR_FLAG = {
  placeholder: 'DIR',
  variable: 'RECORD_DIR',
  default: '/records/',
  help: 'The directory that agents write records to, and the reporter takes them from.',
  parse: parseText,
};
