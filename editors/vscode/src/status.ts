// The item in the status bar: state and model at a glance; a click offers what can be done.

import * as vscode from 'vscode';
import type { Server, Status } from './server';

const ICONS: Record<Status['state'], string> = {
  missing: '$(warning)',
  off: '$(circle-slash)',
  starting: '$(loading~spin)',
  loading: '$(loading~spin)',
  ready: '$(sparkle)',
  failed: '$(error)',
};
const MODELS = [
  { label: 'auto', description: 'lite if it is on this machine and a GPU has room, else demo' },
  { label: 'demo', description: 'the small model inside the package' },
  { label: 'lite', description: 'DeepSeek-Coder-V2-Lite-Base, 4-bit, on a GPU' },
];
const FOLDER = { label: 'Choose a folder…', description: "a model in the hub's format" };

export function statusBar(server: Server): vscode.Disposable {
  const item = vscode.window.createStatusBarItem('midfill', vscode.StatusBarAlignment.Right, 100);
  item.name = 'Midfill';
  item.command = 'midfill.menu';
  const show = (status: Status) => {
    const icon = status.paused ? '$(debug-pause)' : ICONS[status.state];
    const loading = status.state === 'loading' && status.progress > 0;
    const detail = loading ? `${Math.round(100 * status.progress)} %` : (status.model ?? '');
    item.text = `${icon} Midfill${detail && ` ${detail}`}`;
    item.tooltip = inWords(status);
    const wrong = status.state === 'failed' ? 'error' : status.state === 'missing' ? 'warning' : undefined;
    item.backgroundColor = wrong && new vscode.ThemeColor(`statusBarItem.${wrong}Background`);
  };
  show(server.status);
  item.show();
  return vscode.Disposable.from(item, server.onStatus(show));
}

function inWords(status: Status): string {
  const state = status.paused ? 'paused in this window' : status.state;
  const lines = [`Midfill: ${state}${status.model ? `, model ${status.model}` : ''}`];
  return [...lines, status.message, status.warning].filter(Boolean).join('\n');
}

export async function menu(server: Server): Promise<void> {
  const { status } = server;
  const entries = [
    status.paused
      ? { label: '$(debug-start) Resume', run: 'midfill.resume' }
      : { label: '$(debug-pause) Pause in this window', run: 'midfill.pause' },
    { label: '$(question) Why is there no ghost text?', run: 'midfill.why' },
    { label: '$(refresh) Restart the engine', run: 'midfill.restart' },
    { label: '$(arrow-swap) Switch model…', run: 'midfill.switchModel' },
    { label: '$(output) Show log', run: 'midfill.showLog' },
  ];
  const choice = await vscode.window.showQuickPick(entries, {
    title: inWords(status).replaceAll('\n', ' · '),
  });
  if (choice) await vscode.commands.executeCommand(choice.run);
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
