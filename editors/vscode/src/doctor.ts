// "Midfill: Doctor": what `midfill doctor` prints with the settings of this window, in a document.

import { spawn } from 'node:child_process';
import * as vscode from 'vscode';
import { findMidfill } from './find';

export async function doctor(): Promise<void> {
  const command = await findMidfill();
  if (command === undefined) {
    await vscode.commands.executeCommand('midfill.start'); // it says what is missing, and offers the way to it
    return;
  }
  const settings = JSON.stringify(vscode.workspace.getConfiguration('midfill'));
  const location = vscode.ProgressLocation.Notification;
  const content = await vscode.window.withProgress(
    { location, title: 'Midfill: looking at this machine' },
    () => outputOf(command, settings),
  );
  await vscode.window.showTextDocument(
    await vscode.workspace.openTextDocument({ content, language: 'plaintext' }),
  );
}

/** The settings go through stdin: a command line is seen by others. It ends with 1 when something fails. */
function outputOf(command: string, settings: string): Promise<string> {
  return new Promise((resolve) => {
    const process = spawn(command, ['doctor', '--settings', '-'], { stdio: 'pipe' });
    let text = '';
    const add = (piece: Buffer) => (text += piece.toString());
    process.stdout.on('data', add);
    process.stderr.on('data', add);
    process.stdin.on('error', () => undefined); // it has ended before it read them: its words say why
    process.on('error', (error) => resolve(`${command} did not start: ${error.message}`));
    process.on('close', () => resolve(text));
    process.stdin.end(settings);
  });
}
