// How the program gets onto the machine: a line for the terminal, which the user reads and then runs.

import { homedir } from 'node:os';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { installLine, type Shell } from './line';

/** An environment of its own: systems whose Python refuses pip take it, and it is removed by removing the folder. */
export const HOME = join(homedir(), '.midfill');

const CHECKOUT = { label: 'From a checkout…', description: 'the folder with pyproject.toml in it' };
const WHEEL = { label: 'From a wheel…', description: 'a file such as midfill-0.1.0-py3-none-any.whl' };
const INDEX = { label: 'From the package index', description: 'once Midfill is published there' };

export async function install(): Promise<void> {
  const way = await vscode.window.showQuickPick([CHECKOUT, WHEEL, INDEX], {
    title: `Install Midfill into ${HOME}`,
    placeHolder: 'Midfill is on no package index yet. Where do you have it from?',
  });
  if (!way) return;
  const source = way === INDEX ? 'midfill' : await chosen(way === CHECKOUT);
  if (source === undefined) return;
  const terminal = vscode.window.createTerminal('Midfill');
  terminal.show();
  terminal.sendText(installLine(source, HOME, shell()), false); // the user looks at it first, and presses Enter
}

async function chosen(folder: boolean): Promise<string | undefined> {
  const found = await vscode.window.showOpenDialog({
    canSelectFolders: folder,
    canSelectFiles: !folder,
    openLabel: 'Install This',
    ...(folder ? {} : { filters: { 'Python wheel': ['whl'] } }),
  });
  return found?.[0]?.fsPath;
}

function shell(): Shell {
  if (process.platform !== 'win32') return 'posix';
  return /cmd(\.exe)?$/i.test(vscode.env.shell) ? 'cmd' : 'powershell';
}
