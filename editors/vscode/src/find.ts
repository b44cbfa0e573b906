// Where the program `midfill` is: the setting, PATH, the Python environment, the folder's own .venv, or where
// "Install the Program" puts it.

import { access, constants } from 'node:fs/promises';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import * as vscode from 'vscode';
import { HOME } from './install';

const NAME = process.platform === 'win32' ? 'midfill.exe' : 'midfill';
const SCRIPTS = process.platform === 'win32' ? 'Scripts' : 'bin';

/** The program's path; undefined if there is none. A path that is set is taken as it is: starting it will tell. */
export async function findMidfill(): Promise<string | undefined> {
  const set = vscode.workspace.getConfiguration('midfill').get<string | null>('command');
  if (set && (isAbsolute(set) || dirname(set) !== '.')) return set;
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  for (const find of [() => folders, pythonFolders, workspaceFolders, () => [join(HOME, SCRIPTS)]]) {
    for (const folder of await find()) {
      const path = join(folder, set || NAME);
      if (await isProgram(path)) return path;
    }
  }
  return undefined;
}

/** What is used of the Python extension's own API. */
interface PythonApi {
  environments: { getActiveEnvironmentPath(resource?: vscode.Uri): { path: string } };
}

/** Beside the interpreter that the Python extension has chosen for this window. */
async function pythonFolders(): Promise<string[]> {
  const python = vscode.extensions.getExtension('ms-python.python');
  if (!python || !vscode.workspace.isTrusted) return [];
  try {
    const api = (await python.activate()) as PythonApi;
    const { path } = api.environments.getActiveEnvironmentPath(vscode.workspace.workspaceFolders?.[0]?.uri);
    return [dirname(path), join(path, SCRIPTS)]; // it names an interpreter, or an environment's folder
  } catch {
    return []; // another version of that extension, or it failed to start
  }
}

function workspaceFolders(): string[] {
  if (!vscode.workspace.isTrusted) return []; // else opening a folder would run a program that lies in it
  const folders = vscode.workspace.workspaceFolders ?? [];
  return folders.filter((it) => it.uri.scheme === 'file').map((it) => join(it.uri.fsPath, '.venv', SCRIPTS));
}

async function isProgram(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
