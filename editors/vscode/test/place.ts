import type { Place } from '../src/suggestion';

const DOCUMENT = {};

/** A document drawn with the cursor in it. */
export function place(drawn: string, version = 1, document: object = DOCUMENT): Place {
  const [before = '', after = ''] = drawn.split('│');
  return { document, version, before, after };
}
