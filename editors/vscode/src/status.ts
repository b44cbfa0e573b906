// The item in the status bar: state and model at a glance; a click offers what can be done.

import * as vscode from 'vscode';
import type { Server, Status } from './server';
import { inWords, label, minutesFault, minutesIn } from './words';

const MODELS = [
  { label: 'auto', description: 'lite if it is on this machine and a GPU has room, else demo' },
  { label: 'demo', description: 'the small model inside the package' },
  { label: 'lite', description: 'DeepSeek-Coder-V2-Lite-Base, 4-bit, on a GPU' },
];
const FOLDER = { label: 'Choose a folder…', description: "a model in the hub's format" };

const SETTINGS = { label: '$(gear) Open settings', run: 'midfill.openSettings' };
const LOG = { label: '$(output) Show log', run: 'midfill.showLog' };
const DOCTOR = { label: '$(pulse) Doctor: what works on this machine?', run: 'midfill.doctor' };
const MISSING = [
  { label: '$(cloud-download) Install the program…', run: 'midfill.install' },
  { label: '$(refresh) Look for the program again', run: 'midfill.start' },
  { label: '$(book) Get started', run: 'midfill.getStarted' },
  SETTINGS,
  LOG,
];

/** What can be done while there is a program. */
function entries(status: Status) {
  const silent = status.paused || status.snoozedUntil !== null;
  return [
    ...(silent ? [{ label: '$(debug-start) Resume', run: 'midfill.resume' }] : []),
    ...(status.paused ? [] : [{ label: '$(debug-pause) Pause in this window', run: 'midfill.pause' }]),
    { label: '$(bell-slash) Snooze…', run: 'midfill.snooze' },
    { label: '$(question) Why is there no ghost text?', run: 'midfill.why' },
    DOCTOR,
    { label: '$(refresh) Restart the engine', run: 'midfill.restart' },
    { label: '$(arrow-swap) Switch model…', run: 'midfill.switchModel' },
    SETTINGS,
    LOG,
  ];
}

export function statusBar(server: Server): vscode.Disposable {
  const item = vscode.window.createStatusBarItem('midfill', vscode.StatusBarAlignment.Right, 100);
  item.name = 'Midfill';
  item.command = 'midfill.menu';
  const show = (status: Status) => {
    void vscode.commands.executeCommand('setContext', 'midfill.ready', status.state === 'ready');
    item.text = label(status);
    item.tooltip = inWords(status);
    const wrong = status.state === 'failed' ? 'error' : status.state === 'missing' ? 'warning' : undefined;
    item.backgroundColor = wrong && new vscode.ThemeColor(`statusBarItem.${wrong}Background`);
  };
  show(server.status);
  item.show();
  return vscode.Disposable.from(item, server.onStatus(show));
}

export async function menu(server: Server): Promise<void> {
  const { status } = server;
  const offered = status.state === 'missing' ? MISSING : entries(status);
  const choice = await vscode.window.showQuickPick(offered, {
    title: inWords(status).replaceAll('\n', ' · '),
  });
  if (choice) await vscode.commands.executeCommand(choice.run);
}

export async function snooze(server: Server): Promise<void> {
  const text = await vscode.window.showInputBox({
    title: 'Snooze Midfill in this window',
    prompt: 'For so many minutes it writes only when you ask',
    value: '30',
    validateInput: minutesFault,
  });
  const minutes = text === undefined ? undefined : minutesIn(text);
  if (minutes !== undefined) await server.request('midfill/snooze', { minutes });
}

/** The setting is the user's; the engine, which all windows share, starts again with it. */
export async function switchModel(server: Server): Promise<void> {
  const choice = await vscode.window.showQuickPick([...MODELS, FOLDER], {
    title: `Midfill's model (now: ${server.status.model ?? 'none'})`,
  });
  if (!choice) return;
  let model: string | undefined = choice.label;
  if (choice === FOLDER) {
    const folders = await vscode.window.showOpenDialog({ canSelectFolders: true, canSelectFiles: false });
    model = folders?.[0]?.fsPath;
  }
  if (model === undefined) return;
  const { Global } = vscode.ConfigurationTarget;
  await vscode.workspace.getConfiguration('midfill').update('model', model, Global);
  await server.request('midfill/restart');
}
