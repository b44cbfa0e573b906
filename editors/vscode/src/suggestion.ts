// One item while the server writes it: what is known of it, and what is left of that as the user types on.

import * as vscode from 'vscode';
import {
  type InlineCompletionItem,
  type InlineCompletionList,
  InlineCompletionRequest,
  type LanguageClient,
  ProgressType,
} from 'vscode-languageclient/node';

type Answer = InlineCompletionItem[] | InlineCompletionList | null;

/** Midfill's partial results: each carries the whole item so far, and replaces the one before. */
const PARTIAL = new ProgressType<Answer>();

let asked = 0;

export class Suggestion {
  /** Resolves at the next change: more text, or the end. */
  news: Promise<void>;
  /** Nothing more will come. */
  over = false;
  /** It is over because the server has said all; not because it was stopped or the text changed. */
  complete = false;
  dismissed = false;
  /** The server's last word, which may be behind `text` for a while. */
  private written: string | undefined;
  private wake: () => void = () => {};
  private command: vscode.Command | undefined;
  private readonly cancellation = new vscode.CancellationTokenSource();
  private readonly before: string;
  private readonly after: string;

  /** Asks the server. `text` is what an earlier request for the same place has already brought. */
  constructor(
    private readonly client: LanguageClient,
    readonly document: vscode.TextDocument,
    position: vscode.Position,
    readonly context: vscode.InlineCompletionContext,
    private text: string,
    private readonly changed: (suggestion: Suggestion) => void,
  ) {
    const now = document.getText();
    const cursor = document.offsetAt(position);
    this.before = now.slice(0, cursor);
    this.after = now.slice(cursor);
    this.news = new Promise((wake) => {
      this.wake = wake;
    });
    void this.ask(position);
  }

  /** What is left to show at `position`; undefined if the user went another way than the text. */
  rest(document: vscode.TextDocument, position: vscode.Position): string | undefined {
    if (document !== this.document) return undefined;
    const now = document.getText();
    const cursor = document.offsetAt(position);
    const same = now.length - cursor === this.after.length && cursor >= this.before.length;
    if (!same || !now.startsWith(this.before) || !now.endsWith(this.after)) return undefined;
    const typed = now.slice(this.before.length, cursor);
    if (this.text.startsWith(typed)) return this.text.slice(typed.length);
    return !this.complete && typed.startsWith(this.text) ? '' : undefined;
  }

  item(rest: string, position: vscode.Position): vscode.InlineCompletionItem {
    // The empty range matters: without one VS Code replaces all from the word's start to the line's end.
    return new vscode.InlineCompletionItem(rest, new vscode.Range(position, position), this.command);
  }

  stop(): void {
    this.cancellation.cancel();
    this.end();
  }

  private async ask(position: vscode.Position): Promise<void> {
    const partialResultToken = `midfill-ghost-${++asked}`;
    const partials = this.client.onProgress(PARTIAL, partialResultToken, (answer) => this.take(answer));
    try {
      const convert = this.client.code2ProtocolConverter;
      const params = convert.asInlineCompletionParams(this.document, position, this.context);
      const answer = await this.client.sendRequest(
        InlineCompletionRequest.type,
        { ...params, partialResultToken },
        this.cancellation.token,
      );
      this.take(answer);
      if (this.over) return;
      this.complete = true;
      this.text = this.written ?? ''; // it has the last word
    } catch {
      // Cancelled, superseded, or the server is gone: its state, in the status bar, says more than an error.
    } finally {
      partials.dispose();
      this.end();
    }
  }

  private take(answer: Answer): void {
    const item = (Array.isArray(answer) ? answer : answer?.items)?.[0];
    if (this.over || item === undefined || typeof item.insertText !== 'string') return;
    const newline = this.document.eol === vscode.EndOfLine.CRLF ? '\r\n' : '\n';
    this.written = item.insertText.replace(/\r?\n/g, newline); // as in what the user types along, see rest()
    if (item.command) this.command = this.client.protocol2CodeConverter.asCommand(item.command);
    if (this.text.startsWith(this.written)) return; // written anew: what is on screen does not shrink meanwhile
    this.text = this.written;
    this.tell();
  }

  private end(): void {
    if (!this.over) {
      this.over = true;
      this.tell();
    }
  }

  private tell(): void {
    const { wake } = this;
    this.news = new Promise((next) => {
      this.wake = next;
    });
    wake();
    this.changed(this);
  }
}
