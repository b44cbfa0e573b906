// One request to the server, and the suggestion that comes of it.

import * as vscode from 'vscode';
import {
  type InlineCompletionItem,
  type InlineCompletionList,
  InlineCompletionRequest,
  type LanguageClient,
  ProgressType,
} from 'vscode-languageclient/node';
import type { Cursor } from './cursor';
import { ask, complete, dismiss, othersAt, stop, type Suggestion, write } from './suggestion';

type Answer = InlineCompletionItem[] | InlineCompletionList | null;

/** Midfill's partial results: each carries all items, whole so far, and replaces the one before. */
const PARTIAL = new ProgressType<Answer>();

let sent = 0;

export class CompletionRequest {
  suggestion: Suggestion;
  /** Resolves at the next change of `suggestion`. */
  news: Promise<void>;
  private wake: () => void = () => {};
  private readonly commands = new Map<string, vscode.Command>(); // by the text that they tell the acceptance of
  private readonly cancellation = new vscode.CancellationTokenSource();

  /**
   * Sends it. `known` is what an earlier request has brought for this place; `changed` is told of every change
   * of the suggestion.
   */
  constructor(
    private readonly client: LanguageClient,
    private readonly cursor: Cursor,
    context: vscode.InlineCompletionContext,
    known: string,
    private readonly changed: (request: CompletionRequest) => void,
  ) {
    const explicit = context.triggerKind === vscode.InlineCompletionTriggerKind.Invoke;
    this.suggestion = ask(cursor, context.selectedCompletionInfo?.text, known, explicit);
    this.news = new Promise((wake) => {
      this.wake = wake;
    });
    void this.send(context);
  }

  /** `text`, which is left of the first item at `here`, and what is left of the others. */
  items(text: string, here: Cursor): vscode.InlineCompletionItem[] {
    const first = { whole: this.suggestion.written ?? '', rest: text };
    // The empty range matters: without one VS Code replaces all from the word's start to the line's end.
    const range = new vscode.Range(here.position, here.position);
    return [first, ...othersAt(this.suggestion, here)].map(
      ({ whole, rest }) => new vscode.InlineCompletionItem(rest, range, this.commands.get(whole)),
    );
  }

  stop(): void {
    this.cancellation.cancel();
    this.become(stop(this.suggestion));
  }

  /** The user wants to see no more of it. */
  dismiss(): void {
    this.cancellation.cancel();
    this.become(dismiss(this.suggestion));
  }

  private async send(context: vscode.InlineCompletionContext): Promise<void> {
    const { client, cursor } = this;
    const partialResultToken = `midfill-ghost-${++sent}`;
    const partials = client.onProgress(PARTIAL, partialResultToken, (answer) => {
      this.become(write(this.suggestion, ...this.read(answer)));
    });
    try {
      const params = client.code2ProtocolConverter.asInlineCompletionParams(
        cursor.document,
        cursor.position,
        context,
      );
      const { token } = this.cancellation;
      const answer = await client.sendRequest(
        InlineCompletionRequest.type,
        { ...params, partialResultToken },
        token,
      );
      this.become(complete(this.suggestion, ...this.read(answer)));
    } catch {
      // Cancelled, superseded, or the server is gone: its state, in the status bar, says more than an error.
      this.become(stop(this.suggestion));
    } finally {
      partials.dispose();
    }
  }

  /** The text of an answer, '' if it has none, and the others: with the document's own line ends, as typed ones. */
  private read(answer: Answer): [string, string[]] {
    const items = (Array.isArray(answer) ? answer : answer?.items) ?? [];
    const [first = '', ...others] = items.map((item) => this.textOf(item));
    return [first, others.filter(Boolean)];
  }

  private textOf({ insertText, command }: InlineCompletionItem): string {
    if (typeof insertText !== 'string') return '';
    const end = this.cursor.document.eol === vscode.EndOfLine.CRLF ? '\r\n' : '\n';
    const text = insertText.replace(/\r?\n/g, end);
    if (command) this.commands.set(text, this.client.protocol2CodeConverter.asCommand(command));
    return text;
  }

  private become(suggestion: Suggestion): void {
    if (suggestion === this.suggestion) return;
    this.suggestion = suggestion;
    const { wake } = this;
    this.news = new Promise((next) => {
      this.wake = next;
    });
    wake();
    this.changed(this);
  }
}
