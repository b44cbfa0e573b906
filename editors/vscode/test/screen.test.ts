// What is on VS Code's screen, and how it comes to follow the server. `│` is the cursor.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { due, samePlace, type Shown, sourceOf } from '../src/screen';
import { ask, complete, dismiss, type Place, restAt, stop, type Suggestion, write } from '../src/suggestion';
import { place } from './place';

const START = place('x = │\n');
const TYPED = place('x = o│\n', 2);

function written(...texts: string[]): Suggestion {
  return texts.reduce((it, text) => write(it, text), ask(START, undefined, ''));
}

function shown(text: string): Shown {
  return { place: START, text, others: 0 };
}

test('a text that grows is shown, a step at a time', () => {
  assert.equal(due(shown('one'), written('one', 'one(two)'), START, true), 'show');
  assert.equal(due(shown('one(two)'), written('one', 'one(two)'), START, true), 'nothing');
  assert.equal(
    due(shown(''), written('one'), START, true),
    'show',
    'where VS Code gave up before the first word',
  );
  assert.equal(
    due(undefined, written('one'), START, true),
    'nothing',
    'where VS Code has not asked yet, it will',
  );
});

test('where a text cannot grow on screen, the whole is shown', () => {
  assert.equal(due(shown('one'), written('one', 'one(two)'), START, false), 'nothing');
  assert.equal(due(shown('one'), complete(written('one', 'one(two)'), ''), START, false), 'show');
  assert.equal(
    due(shown('one'), written('one', 'two'), START, false),
    'show',
    'what is no longer true does not wait',
  );
});

test('what the server withdraws is cleared, by an empty partial result or an empty answer', () => {
  for (const grows of [true, false]) {
    assert.equal(due(shown('one'), written('one', ''), START, grows), 'clear');
    assert.equal(due(shown('one'), complete(written('one', ''), ''), START, grows), 'clear');
    assert.equal(due(shown('one'), complete(ask(START, undefined, 'one'), ''), START, grows), 'clear');
    assert.equal(due(shown(''), written('one', ''), START, grows), 'nothing', 'once');
  }
});

test('a shorter or another text replaces what is shown', () => {
  assert.equal(due(shown('one(two)'), written('one(two)', 'one'), START, true), 'show');
  assert.equal(due(shown('one'), complete(written('one'), 'two'), START, true), 'show');
});

test('after a key VS Code asks by itself, but what was withdrawn must not stay until it has an answer', () => {
  assert.equal(due(shown('one'), written('one', 'one(two)'), TYPED, true), 'nothing');
  assert.equal(due(shown('one'), written('one', ''), TYPED, true), 'clear');
  assert.equal(
    due(shown('one'), written('one', 'two'), TYPED, true),
    'clear',
    'nor what the key disagrees with',
  );
  assert.equal(due(shown('o'), written('o', ''), TYPED, true), 'nothing', 'all of it was typed');
});

test('what a new request has not said yet clears nothing', () => {
  assert.equal(due(shown('one'), ask(START, 'entry', ''), START, true), 'nothing');
});

const CHOICE = complete(write(ask(START, undefined, 'one', true), 'one', ['two', 'other']), '');

test('when the others are there, they are given, once', () => {
  assert.equal(due(shown('one'), CHOICE, START, true), 'show');
  assert.equal(due({ ...shown('one'), others: 2 }, CHOICE, START, true), 'nothing');
  assert.equal(due(shown('one'), CHOICE, TYPED, true), 'nothing', 'VS Code asks after a key by itself');
  assert.equal(due(shown('one'), dismiss(CHOICE), START, true), 'nothing');
});

test('who asks for more is answered by the server, once at a place', () => {
  const question = { place: START, automatic: false, selected: undefined };
  const alone = complete(written('one'), '');
  assert.deepEqual(sourceOf(question, START, alone), { known: 'one' }, 'it was asked for one alone');
  assert.deepEqual(sourceOf(question, START, written('one')), { known: 'one' });
  assert.equal(sourceOf(question, START, CHOICE), 'present');
  assert.equal(sourceOf({ ...question, automatic: true }, START, CHOICE), 'present');
  assert.deepEqual(
    sourceOf({ ...question, place: TYPED }, START, CHOICE),
    { known: 'ne' },
    'others fit there',
  );
  assert.equal(sourceOf(question, START, write(ask(START, undefined, '', true), 'one')), 'present');
});

test('elsewhere nothing is done', () => {
  for (const other of [place('│x = \n'), place('x = t│\n', 2), place('x = │\n', 1, {}), undefined]) {
    assert.equal(due(shown('one'), written('one', ''), other, true), 'nothing');
    assert.equal(due(shown('one'), written('one', 'one(two)'), other, true), 'nothing');
  }
});

test('after Escape nothing is shown, whatever comes, until the text changes', () => {
  const dismissed = write(dismiss(written('one')), 'one(two)');
  assert.equal(due(shown('one'), dismissed, START, true), 'nothing');
  assert.equal(sourceOf({ place: START, automatic: true, selected: undefined }, START, dismissed), 'nothing');
  const typed = { place: TYPED, automatic: true, selected: undefined };
  assert.deepEqual(sourceOf(typed, START, dismissed), { known: '' });
  assert.deepEqual(sourceOf({ ...typed, place: START, automatic: false }, START, dismissed), { known: '' });
});

test('one request answers all questions at its place', () => {
  const again = { place: START, automatic: true, selected: undefined };
  assert.equal(sourceOf(again, START, written('one')), 'present');
  assert.equal(sourceOf(again, START, complete(written('one'), '')), 'present');
  assert.deepEqual(sourceOf(again, undefined, undefined), { known: '' });
  assert.deepEqual(
    sourceOf(again, START, stop(written('one'))),
    { known: 'one' },
    'not one that was cut short',
  );
  assert.deepEqual(sourceOf({ ...again, selected: 'entry' }, START, written('one')), { known: '' });
});

test('the server is not asked again about what it has just withdrawn, unless the user wants it', () => {
  const withdrawn = complete(written('one', ''), '');
  const again = { place: START, automatic: true, selected: undefined };
  assert.equal(sourceOf(again, START, withdrawn), 'nothing');
  assert.deepEqual(sourceOf({ ...again, automatic: false }, START, withdrawn), { known: '' });
});

test('typing along asks anew only while the server writes, and what is known stays on screen', () => {
  const typed = { place: TYPED, automatic: true, selected: undefined };
  assert.deepEqual(sourceOf(typed, START, written('one')), { known: 'ne' });
  assert.equal(sourceOf(typed, START, complete(written('one'), '')), 'present');
});

test('typing otherwise asks anew', () => {
  const typed = { place: place('x = t│\n', 2), automatic: true, selected: undefined };
  assert.deepEqual(sourceOf(typed, START, written('one')), { known: '' });
});

test('after accepting what has grown so far the server is asked for the rest', () => {
  const accepted = { place: place('x = one│\n', 2), automatic: true, selected: undefined };
  assert.deepEqual(sourceOf(accepted, START, written('on', 'one')), { known: '' });
  assert.deepEqual(sourceOf(accepted, START, complete(written('on', 'one'), '')), { known: '' });
});

test('where the cursor has gone away nothing is asked', () => {
  const gone = { place: place('│x = \n'), automatic: true, selected: undefined };
  assert.equal(sourceOf(gone, START, written('one')), 'nothing');
});

/** VS Code, as far as it matters here: what it was given it shows, less what was typed, until it is given another. */
class Editor {
  here = place('│', 1);
  private given: Shown | undefined; // by VS Code's own book
  private shown: Shown | undefined; // by the extension's
  private asked: Place | undefined;
  private suggestion: Suggestion | undefined;
  private word: string | undefined; // the last of the server since it was asked last

  screen(): string {
    const { given, here } = this;
    const typed = given && here.before.slice(given.place.before.length);
    return given && typed !== undefined && given.text.startsWith(typed) ? given.text.slice(typed.length) : '';
  }

  /** What ought to be on screen once all is said and done. */
  wanted(): string {
    const typed = this.here.before.slice(this.suggestion?.place.before.length);
    return this.word?.startsWith(typed) ? this.word.slice(typed.length) : '';
  }

  ask(): void {
    const question = { place: this.here, automatic: true, selected: undefined };
    const source = sourceOf(question, this.asked, this.suggestion);
    this.asked = this.here;
    if (typeof source === 'object') {
      this.suggestion = ask(this.here, undefined, source.known);
      this.word = undefined;
    }
    const rest = this.suggestion && source !== 'nothing' ? restAt(this.suggestion, this.here) : undefined;
    this.give(rest ?? '');
  }

  type(letter: string): void {
    this.here = place(`${this.here.before}${letter}│`, this.here.version + 1);
  }

  get answered(): boolean {
    return this.suggestion?.state === 'complete';
  }

  hears(text: string, last: boolean): void {
    if (!this.suggestion) return;
    this.suggestion = last ? complete(this.suggestion, text) : write(this.suggestion, text);
    this.word = last && text === '' ? (this.word ?? '') : text;
    this.follow();
  }

  private follow(): void {
    const what = due(this.shown, this.suggestion, this.here, true);
    if (what === 'show') this.ask();
    if (what === 'clear') this.give('');
  }

  private give(text: string): void {
    this.given = this.shown = { place: this.here, text, others: 0 };
  }
}

test('whatever the server says, and the user types meanwhile: its last word is on screen, and nothing else', () => {
  const events: Record<string, (editor: Editor) => void> = {
    ask: (it) => it.ask(),
    'type a': (it) => it.type('a'),
    'write a': (it) => it.hears('a', false),
    'write abc': (it) => it.hears('abc', false),
    'write ac': (it) => it.hears('ac', false),
    withdraw: (it) => it.hears('', false),
    'answer nothing': (it) => it.hears('', true),
    'answer ab': (it) => it.hears('ab', true),
  };
  let answers = 0;
  const walk = (path: readonly string[]): void => {
    const editor = new Editor();
    for (const event of path) events[event]?.(editor);
    if (path.at(-1) === 'withdraw') assert.equal(editor.screen(), '', path.join(', '));
    if (editor.answered) {
      answers += 1;
      const wanted = editor.wanted();
      editor.ask(); // as VS Code does after a key
      assert.equal(editor.screen(), wanted, path.join(', '));
    } else if (path.length < 6) {
      for (const event of Object.keys(events)) walk([...path, event]);
    }
  };
  walk(['ask']);
  assert.ok(answers > 1000);
});

test('a place is a cursor in one state of one document', () => {
  assert.ok(samePlace(START, place('x = │\n')));
  for (const other of [place('x =│ \n'), place('x = │\n', 2), place('x = │\n', 1, {})]) {
    assert.ok(!samePlace(START, other));
  }
  assert.ok(!samePlace(undefined, START));
});
