// Where the cursor is, for VS Code and for what is pure here.

import * as vscode from 'vscode';
import type { Place } from './suggestion';

export interface Cursor extends Place {
  readonly document: vscode.TextDocument;
  readonly position: vscode.Position;
}

export function cursorAt(document: vscode.TextDocument, position: vscode.Position): Cursor {
  const text = document.getText();
  const offset = document.offsetAt(position);
  const [before, after] = [text.slice(0, offset), text.slice(offset)];
  return { document, position, version: document.version, before, after };
}

export function activeCursor(): Cursor | undefined {
  const editor = vscode.window.activeTextEditor;
  return editor && cursorAt(editor.document, editor.selection.active);
}
