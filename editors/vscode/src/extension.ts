// Ghost text from `midfill serve`. What each file does: server.ts starts and asks the language server, find.ts
// finds it, install.ts and line.ts bring it, ghost.ts lets its text grow on screen, suggestion.ts is one such text,
// status.ts the status bar, words.ts what it says, doctor.ts what works on this machine.

import * as vscode from 'vscode';
import { doctor } from './doctor';
import { install } from './install';
import { Server } from './server';
import { menu, snooze, statusBar, switchModel } from './status';

let server: Server | undefined;

export function activate(context: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel('Midfill', { log: true });
  const it = new Server(context.extension.id, log);
  server = it;
  const { registerCommand: command, executeCommand: run } = vscode.commands;
  context.subscriptions.push(
    log,
    it,
    statusBar(it),
    command('midfill.menu', () => menu(it)),
    command('midfill.pause', () => it.request('midfill/pause')),
    command('midfill.resume', () => it.request('midfill/resume')),
    command('midfill.snooze', () => snooze(it)),
    command('midfill.restart', () => it.request('midfill/restart')),
    command('midfill.why', () => it.why()),
    command('midfill.doctor', doctor),
    command('midfill.switchModel', () => switchModel(it)),
    command('midfill.showLog', () => log.show()),
    command('midfill.install', install),
    command('midfill.start', () => it.start()),
    command('midfill.openSettings', () =>
      run('workbench.action.openSettings', `@ext:${context.extension.id}`),
    ),
    command('midfill.getStarted', () =>
      run('workbench.action.openWalkthrough', `${context.extension.id}#start`),
    ),
    vscode.workspace.onDidGrantWorkspaceTrust(() => it.status.state === 'missing' && it.start()),
    vscode.workspace.onDidChangeConfiguration(async (event) => {
      if (event.affectsConfiguration('midfill.command')) await it.start();
    }),
  );
  void it.start();
}

export async function deactivate(): Promise<void> {
  await server?.stop();
}
