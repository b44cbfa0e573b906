// One text that the server writes, as a state machine: what the server says changes it, what the user types does
// not. Pure: nothing here knows VS Code, nor the protocol.

/** Where the cursor is, and in which state of which document. */
export interface Place {
  readonly document: object;
  readonly version: number;
  /** The document's text up to the cursor, and from there on. */
  readonly before: string;
  readonly after: string;
}

export interface Suggestion {
  /** Where the server was asked. */
  readonly place: Place;
  /** The entry of VS Code's menu that the text must begin with. */
  readonly selected: string | undefined;
  /** The user asked for it: the server then writes others, too. */
  readonly explicit: boolean;
  /** What an earlier request has brought for this place. It stays until this one says more, or something else. */
  readonly known: string;
  /** The server's last word; undefined before the first. */
  readonly written: string | undefined;
  /** Other texts for the same place, which come with the last word. */
  readonly others: readonly string[];
  /** Complete: the server has said all. Stopped: cancelled, or failed. Dismissed: by the user, with Escape. */
  readonly state: 'writing' | 'complete' | 'stopped' | 'dismissed';
}

export function ask(place: Place, selected: string | undefined, known: string, explicit = false): Suggestion {
  return { place, selected, explicit, known, written: undefined, others: [], state: 'writing' };
}

/** A partial result: the whole text so far, which replaces the one before. An empty one withdraws it. */
export function write(it: Suggestion, text: string, others: readonly string[] = []): Suggestion {
  if (it.state !== 'writing') return it; // the late word of a request that was cancelled
  const grows = text !== '' && text.startsWith(it.written ?? '');
  return { ...it, written: text, others, known: grows ? it.known : '' };
}

/** The answer. After partial results it is empty, and the last of them is the text; without any there is none. */
export function complete(it: Suggestion, text: string, others: readonly string[] = []): Suggestion {
  const last = text === '' ? it : write(it, text, others);
  return it.state === 'writing' ? { ...last, known: '', state: 'complete' } : it;
}

export function stop(it: Suggestion): Suggestion {
  return it.state === 'writing' ? { ...it, state: 'stopped' } : it;
}

export function dismiss(it: Suggestion): Suggestion {
  return { ...it, state: 'dismissed' };
}

/** What is left to show at `here`: '' while that is not known; undefined if the user has left the text's way. */
export function restAt(it: Suggestion, here: Place): string | undefined {
  const typed = typedSince(it.place, here);
  if (typed === undefined) return undefined;
  const text = textOf(it);
  if (text.startsWith(typed)) return text.slice(typed.length);
  return it.state !== 'complete' && typed.startsWith(text) ? '' : undefined;
}

/** The other texts that what was typed since agrees with: each whole, and what is left of it. */
export function othersAt(it: Suggestion, here: Place): { whole: string; rest: string }[] {
  const typed = typedSince(it.place, here);
  if (typed === undefined || it.state === 'dismissed') return [];
  const left = it.others.filter((whole) => whole.startsWith(typed) && whole !== typed);
  return left.map((whole) => ({ whole, rest: whole.slice(typed.length) }));
}

/** What was typed between the two places; undefined if anything else has happened. */
export function typedSince(start: Place, here: Place): string | undefined {
  const same = start.document === here.document && start.after === here.after;
  return same && here.before.startsWith(start.before) ? here.before.slice(start.before.length) : undefined;
}

function textOf({ known, written = '' }: Suggestion): string {
  return known.startsWith(written) ? known : written; // what is written anew does not shrink on screen meanwhile
}
