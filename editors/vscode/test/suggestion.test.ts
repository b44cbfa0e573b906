// One text while the server writes it, drawn: `│` is the cursor, and what stands there is what would be shown.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, complete, dismiss, othersAt, restAt, stop, type Suggestion, write } from '../src/suggestion';
import { place } from './place';

const START = 'x = │\n';

function asked(known = ''): Suggestion {
  return ask(place(START), undefined, known);
}

/** After these partial results. */
function written(...texts: string[]): Suggestion {
  return texts.reduce((it, text) => write(it, text), asked());
}

function rest(suggestion: Suggestion, drawn = START): string | undefined {
  return restAt(suggestion, place(drawn));
}

test('nothing is known before the first word', () => {
  assert.equal(rest(asked()), '');
});

test('it grows: each partial result holds the whole text', () => {
  const texts = ['on', 'one(', 'one(two'];
  let suggestion = asked();
  for (const text of texts) {
    suggestion = write(suggestion, text);
    assert.equal(rest(suggestion), text);
  }
  assert.equal(
    rest(complete(suggestion, '')),
    'one(two',
    'an empty answer after partial results says: that was all',
  );
});

test('an answer without partial results is the text', () => {
  assert.equal(rest(complete(asked(), 'one')), 'one');
});

test('an empty partial result withdraws what was shown', () => {
  const withdrawn = written('one', '');
  assert.equal(rest(withdrawn), '');
  assert.equal(rest(complete(withdrawn, '')), '');
  assert.equal(rest(write(withdrawn, 'two')), 'two', 'and the server may begin anew');
});

test('an empty answer withdraws what an earlier request has brought', () => {
  assert.equal(rest(complete(asked('one'), '')), '');
});

test('an empty partial result withdraws what an earlier request has brought', () => {
  assert.equal(rest(write(asked('one'), '')), '');
  assert.equal(rest(write(write(asked('one'), 'o'), '')), '');
});

test('a shorter or another text replaces the one before', () => {
  assert.equal(rest(written('one(two)', 'one')), 'one');
  assert.equal(rest(written('one', 'two')), 'two');
  assert.equal(rest(complete(written('one(two)'), 'one')), 'one');
});

test('what is written anew does not shrink what an earlier request has brought, until it says something else', () => {
  let suggestion = write(asked('one(two)'), 'one');
  assert.equal(rest(suggestion), 'one(two)');
  assert.equal(rest(write(suggestion, 'one(two).three')), 'one(two).three');
  assert.equal(rest(write(suggestion, 'one.')), 'one.');
  suggestion = write(suggestion, 'on');
  assert.equal(rest(suggestion), 'on', 'what is taken back was not to be waited for');
  assert.equal(rest(complete(write(asked('one(two)'), 'one'), '')), 'one', 'in the end it has the last word');
});

test('typing along leaves the rest', () => {
  assert.equal(rest(written('one'), 'x = o│\n'), 'ne');
  assert.equal(rest(written('one'), 'x = one│\n'), '');
});

test('typing faster than the text is written waits for it', () => {
  assert.equal(rest(written('o'), 'x = one│\n'), '');
  assert.equal(rest(written('o', 'one(two)'), 'x = one│\n'), '(two)');
  assert.equal(rest(complete(written('o'), ''), 'x = one│\n'), undefined, 'but not for what will not come');
});

test('typing otherwise parts from it, and so does anything else that happens', () => {
  const suggestion = written('one');
  assert.equal(rest(suggestion, 'x = t│\n'), undefined);
  assert.equal(rest(suggestion, 'x =│\n'), undefined, 'a letter was deleted');
  assert.equal(rest(suggestion, 'x │= \n'), undefined, 'the cursor went back');
  assert.equal(rest(suggestion, 'x = o│\ny'), undefined, 'another edit');
  assert.equal(restAt(suggestion, place(START, 1, {})), undefined, 'another document');
});

test('what was withdrawn agrees with nothing that was typed', () => {
  assert.equal(rest(complete(written('one', ''), ''), 'x = o│\n'), undefined);
});

test('accepting what has grown so far leaves the rest that comes', () => {
  const suggestion = written('one', 'one(two');
  assert.equal(rest(suggestion, 'x = one(two│\n'), '');
  assert.equal(rest(write(suggestion, 'one(two)'), 'x = one(two│\n'), ')');
});

test('late words of a request that was cancelled change nothing', () => {
  for (const over of [stop(written('one')), dismiss(written('one')), complete(written('one'), '')]) {
    for (const late of ['one(two)', 'two', '']) {
      assert.equal(write(over, late), over);
      assert.equal(complete(over, late), over);
    }
    assert.equal(rest(over), 'one', 'what is on screen stays');
  }
});

test('Escape is not undone by the end that it brings about', () => {
  assert.equal(stop(dismiss(written('one'))).state, 'dismissed');
});

test('others come with the last word, and go the way of what is typed', () => {
  const several = complete(write(written('one'), 'one', ['other', 'two', 'o']), '');
  const left = (drawn: string) => othersAt(several, place(drawn)).map(({ rest }) => rest);
  assert.deepEqual(left(START), ['other', 'two', 'o']);
  assert.deepEqual(left('x = o│\n'), ['ther'], 'of one that was typed nothing is left');
  assert.deepEqual(left('y = │\n'), []);
  assert.deepEqual(othersAt(dismiss(several), place(START)), []);
  assert.deepEqual(othersAt(complete(asked(), 'one', ['two']), place(START)).length, 1);
  assert.deepEqual(othersAt(write(several, 'one'), place(START)).length, 3, 'it has said all');
});
