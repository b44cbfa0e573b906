// What VS Code was given to show, and what follows from that. Pure, like suggestion.ts.

import { othersAt, type Place, restAt, type Suggestion, typedSince } from './suggestion';

/** What VS Code was given last; '' if nothing. */
export interface Shown {
  readonly place: Place;
  readonly text: string;
  /** How many others it was given to choose from. */
  readonly others: number;
}

/** VS Code asks for what to show. */
export interface Question {
  readonly place: Place;
  /** By itself; else the user wants it. */
  readonly automatic: boolean;
  readonly selected: string | undefined;
}

/** What answers: the present suggestion, nothing, or a new request, for whose place a text may be known already. */
export type Source = 'present' | 'nothing' | { readonly known: string };

/** `asked`: where VS Code asked before this. */
export function sourceOf(
  question: Question,
  asked: Place | undefined,
  suggestion: Suggestion | undefined,
): Source {
  const { place, automatic, selected } = question;
  const repeated = samePlace(asked, place);
  if (!suggestion) return { known: '' };
  const dismissed = suggestion.state === 'dismissed';
  if (automatic && asked && sameText(asked, place)) {
    // Escape holds until the text changes; and where the cursor has gone away a step of growth asks in vain.
    if (dismissed || !repeated) return 'nothing';
  }
  const rest = dismissed || suggestion.selected !== selected ? undefined : restAt(suggestion, place);
  if (rest === undefined) return { known: '' };
  // To see others, too, the server has to be asked in so many words, and here.
  if (!automatic && !(suggestion.explicit && samePlace(suggestion.place, place))) return { known: rest };
  if (suggestion.state === 'complete') {
    if (rest !== '') return 'present';
    return automatic && repeated ? 'nothing' : { known: '' }; // the server has said already that there is none
  }
  return repeated && suggestion.state === 'writing' ? 'present' : { known: rest };
}

/**
 * What has to be done so that the screen follows: show the text, clear what was withdrawn, or nothing.
 *
 * At any place but the one that was answered last VS Code asks by itself. Until it has an answer, it goes on
 * showing the old text, less what was typed. `grows`: this VS Code can show a text that is still being written.
 */
export function due(
  shown: Shown | undefined,
  suggestion: Suggestion | undefined,
  here: Place | undefined,
  grows: boolean,
): 'show' | 'clear' | 'nothing' {
  if (!shown || !here || !suggestion || suggestion.state === 'dismissed') return 'nothing';
  const typed = typedSince(shown.place, here);
  if (typed === undefined || !shown.text.startsWith(typed)) return 'nothing';
  const onScreen = shown.text.slice(typed.length);
  const rest = restAt(suggestion, here);
  const said = suggestion.written !== undefined || suggestion.state === 'complete';
  if (!rest) return said && onScreen ? 'clear' : 'nothing';
  if (!samePlace(shown.place, here)) return 'nothing';
  if (rest === onScreen) return othersAt(suggestion, here).length > shown.others ? 'show' : 'nothing';
  return grows || suggestion.state !== 'writing' || !rest.startsWith(onScreen) ? 'show' : 'nothing';
}

export function samePlace(one: Place | undefined, other: Place): boolean {
  return one !== undefined && sameText(one, other) && one.before.length === other.before.length;
}

function sameText(one: Place, other: Place): boolean {
  return one.document === other.document && one.version === other.version;
}
