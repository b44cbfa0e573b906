// What the status bar says.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Status } from '../src/server';
import { inWords, label, minutesFault, minutesIn } from '../src/words';

const READY: Status = {
  state: 'ready',
  paused: false,
  snoozedUntil: null,
  trigger: 'auto',
  model: 'demo',
  message: 'Ready.',
  progress: 1,
  warning: '',
};
const FIVE_PAST_TWO = new Date(2026, 0, 2, 14, 5, 59).getTime() / 1000;

test('a snooze says until when, and a pause counts more', () => {
  const snoozed = { ...READY, snoozedUntil: FIVE_PAST_TWO };
  assert.equal(label(snoozed), '$(bell-slash) Midfill until 14:05');
  assert.match(inWords(snoozed), /^Midfill: snoozed in this window until 14:05, .*, model demo\nReady\.$/);
  assert.equal(label({ ...snoozed, paused: true }), '$(debug-pause) Midfill demo');
  assert.match(inWords({ ...snoozed, paused: true }), /^Midfill: paused in this window, model demo/);
});

test('otherwise it is the state and the model', () => {
  assert.equal(label(READY), '$(sparkle) Midfill demo');
  assert.equal(inWords(READY), 'Midfill: ready, model demo\nReady.');
  const loading: Status = { ...READY, state: 'loading', progress: 0.25, model: null };
  assert.equal(label(loading), '$(loading~spin) Midfill 25 %');
});

test('a trigger by hand is said', () => {
  assert.match(inWords({ ...READY, trigger: 'manual' }), /midfill\.trigger is manual/);
  assert.doesNotMatch(inWords(READY), /trigger/);
});

test('minutes are a number above 0, of a day at most', () => {
  assert.deepEqual(['30', ' 0.5 ', '1440'].map(minutesIn), [30, 0.5, 1440]);
  for (const wrong of ['', ' ', '0', '-1', '1441', 'soon', '30 minutes', 'NaN', 'Infinity']) {
    assert.equal(minutesIn(wrong), undefined, wrong);
    assert.match(minutesFault(wrong) ?? '', /at most 1440/);
  }
  assert.equal(minutesFault('30'), undefined);
});
