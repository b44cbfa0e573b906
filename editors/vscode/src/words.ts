// What the status bar says of the server, and of how long it is to be silent. Pure.

import type { Status } from './server';

const ICONS: Record<Status['state'], string> = {
  missing: '$(warning)',
  off: '$(circle-slash)',
  starting: '$(loading~spin)',
  loading: '$(loading~spin)',
  ready: '$(sparkle)',
  failed: '$(error)',
};
const LONGEST_SNOOZE = 1440; // minutes, as the server takes them

/** The item itself. */
export function label(status: Status): string {
  if (status.snoozedUntil !== null && !status.paused)
    return `$(bell-slash) Midfill until ${clock(status.snoozedUntil)}`;
  const icon = status.paused ? '$(debug-pause)' : ICONS[status.state];
  const loading = status.state === 'loading' && status.progress > 0;
  const detail = loading ? `${Math.round(100 * status.progress)} %` : (status.model ?? '');
  return `${icon} Midfill${detail && ` ${detail}`}`;
}

/** All that there is to say, in lines. */
export function inWords(status: Status): string {
  let state: string = status.state;
  if (status.paused) state = 'paused in this window';
  else if (status.snoozedUntil !== null)
    state = `snoozed in this window until ${clock(status.snoozedUntil)}, but for what you ask for`;
  const lines = [`Midfill: ${state}${status.model ? `, model ${status.model}` : ''}`];
  if (status.trigger === 'manual') lines.push('It writes only when you ask: midfill.trigger is manual.');
  return [...lines, status.message, status.warning].filter(Boolean).join('\n');
}

/** The minutes that somebody has written; undefined if they are none. */
export function minutesIn(text: string): number | undefined {
  const minutes = text.trim() === '' ? NaN : Number(text);
  return minutes > 0 && minutes <= LONGEST_SNOOZE ? minutes : undefined;
}

/** What to write instead, if that is wrong. */
export function minutesFault(text: string): string | undefined {
  return minutesIn(text) === undefined ? `Write a number of minutes, at most ${LONGEST_SNOOZE}.` : undefined;
}

function clock(seconds: number): string {
  const then = new Date(1000 * seconds);
  return [then.getHours(), then.getMinutes()].map((it) => String(it).padStart(2, '0')).join(':');
}
