// Ghost text that grows while it is written, on VS Code's stable API.
//
// VS Code does not ask a provider again at the same place, unless the provider is a new object. So each step
// registers a new one, triggers it alone, and drops the old one a little later: a request of VS Code's own
// that still waits out its debounce asks the providers that there were when it began.

import * as vscode from 'vscode';
import type { LanguageClient } from 'vscode-languageclient/node';
import { Suggestion } from './suggestion';

const TRIGGER = 'editor.action.inlineSuggest.trigger';
const HIDE = 'editor.action.inlineSuggest.hide';
const DROP_AFTER_MS = 150; // VS Code's debounce is 50
const LANGUAGES = [{ scheme: 'file' }, { scheme: 'untitled' }]; // always the same: the newest is then found first

const { Automatic, Invoke } = vscode.InlineCompletionTriggerKind;

interface Place {
  document: vscode.TextDocument;
  version: number;
  position: vscode.Position;
}

export class GhostText implements vscode.Disposable {
  private suggestion: Suggestion | undefined;
  private asked: Place | undefined; // where VS Code asked last
  private shown: (Place & { text: string }) | undefined; // what it was given last
  private grows = true; // until this VS Code proves not to know the trigger's arguments
  private growing = false;
  private kinds: Set<vscode.InlineCompletionTriggerKind> | undefined; // of what VS Code asks during a step
  private grown = false;
  private registration = this.register();
  private readonly subscriptions: vscode.Disposable;

  constructor(
    private readonly client: LanguageClient,
    private readonly identifier: string,
  ) {
    this.subscriptions = vscode.Disposable.from(
      vscode.commands.registerCommand('midfill.dismiss', () => this.dismiss()),
      vscode.window.onDidChangeTextEditorSelection((event) => this.follow(event.textEditor)),
      vscode.window.onDidChangeActiveTextEditor((editor) => this.follow(editor)),
    );
  }

  dispose(): void {
    this.suggestion?.stop();
    this.subscriptions.dispose();
    this.registration.dispose();
  }

  /** VS Code asks: at once what is known, else the first that the server writes. */
  private async provide(
    document: vscode.TextDocument,
    position: vscode.Position,
    context: vscode.InlineCompletionContext,
    token: vscode.CancellationToken,
  ): Promise<vscode.InlineCompletionItem[] | undefined> {
    this.kinds?.add(context.triggerKind);
    const suggestion = this.suggestionAt({ document, version: document.version, position }, context);
    const cancelled = new Promise<void>((resolve) => token.onCancellationRequested(() => resolve()));
    while (suggestion && !suggestion.over && !token.isCancellationRequested) {
      const text = suggestion.rest(document, position);
      if (text === undefined || (text !== '' && this.grows)) break;
      await Promise.race([suggestion.news, cancelled]);
    }
    const text = suggestion?.rest(document, position);
    if (!suggestion || !text || suggestion.dismissed || token.isCancellationRequested) return undefined;
    this.shown = { document, version: document.version, position, text };
    return [suggestion.item(text, position)];
  }

  /** The suggestion that answers here: the present one if it still fits, a new one if not, or none at all. */
  private suggestionAt(here: Place, context: vscode.InlineCompletionContext): Suggestion | undefined {
    const { asked, suggestion } = this;
    this.asked = here;
    const unchanged = asked?.document === here.document && asked.version === here.version;
    if (suggestion && unchanged && context.triggerKind === Automatic) {
      if (suggestion.dismissed) return undefined; // Escape: it stays away until the text changes
      if (!asked.position.isEqual(here.position)) {
        suggestion.stop(); // the cursor went away, and a step of growth asks in vain
        return undefined;
      }
    }
    const selected = suggestion?.context.selectedCompletionInfo?.text;
    const fits = suggestion && !suggestion.dismissed && selected === context.selectedCompletionInfo?.text;
    const rest = fits ? suggestion.rest(here.document, here.position) : undefined;
    const samePlace = unchanged && asked.position.isEqual(here.position);
    if (rest !== undefined && (suggestion?.complete ? rest !== '' : samePlace && !suggestion?.over))
      return suggestion;
    suggestion?.stop();
    return this.ask(here, context, rest ?? '');
  }

  private ask(here: Place, context: vscode.InlineCompletionContext, known: string): Suggestion | undefined {
    if (!this.client.isRunning()) return undefined;
    this.suggestion = new Suggestion(this.client, here.document, here.position, context, known, (it) => {
      if (it !== this.suggestion) return;
      if (it.over) this.writing(false);
      void this.grow();
    });
    this.writing(true);
    return this.suggestion;
  }

  /** One loop, however fast the text comes: a step takes VS Code 60 to 90 ms, and shows all that there is then. */
  private async grow(): Promise<void> {
    this.grown = true;
    if (this.growing) return;
    this.growing = true;
    try {
      while (this.grown) {
        this.grown = false;
        if (this.hasMoreToShow()) await this.step();
      }
    } finally {
      this.growing = false;
    }
  }

  /** Only where VS Code already shows the beginning: in any other place it asks by itself. */
  private hasMoreToShow(): boolean {
    const editor = vscode.window.activeTextEditor;
    const { shown, suggestion } = this;
    if (!editor || !shown || !suggestion || suggestion.dismissed || !vscode.window.state.focused)
      return false;
    const { document, selection } = editor;
    const same = document === shown.document && document.version === shown.version;
    if (!same || !selection.active.isEqual(shown.position)) return false;
    const rest = suggestion.rest(document, selection.active);
    return Boolean(rest) && rest !== shown.text && (this.grows || suggestion.over);
  }

  private async step(): Promise<void> {
    if (!this.grows) {
      await vscode.commands.executeCommand(HIDE); // one flicker, and the whole text
      await vscode.commands.executeCommand(TRIGGER);
      return;
    }
    const old = this.registration;
    this.registration = this.register();
    setTimeout(() => {
      old.dispose();
    }, DROP_AFTER_MS);
    const kinds = new Set<vscode.InlineCompletionTriggerKind>();
    this.kinds = kinds;
    await vscode.commands.executeCommand(TRIGGER, { explicit: false, providerId: this.identifier });
    this.kinds = undefined;
    if (kinds.has(Invoke) && !kinds.has(Automatic)) this.grows = false; // it did not take "explicit: false"
  }

  /** The user went elsewhere: nobody will read what is being written. */
  private follow(editor: vscode.TextEditor | undefined): void {
    const { suggestion } = this;
    if (!suggestion || suggestion.over) return;
    if (!editor || suggestion.rest(editor.document, editor.selection.active) === undefined) suggestion.stop();
  }

  private async dismiss(): Promise<void> {
    if (this.suggestion) {
      this.suggestion.dismissed = true;
      this.suggestion.stop();
    }
    await vscode.commands.executeCommand(HIDE);
  }

  /** While it is true, Escape is ours: VS Code's own would let the next step of growth bring the text back. */
  private writing(now: boolean): void {
    void vscode.commands.executeCommand('setContext', 'midfill.writing', now);
  }

  private register(): vscode.Disposable {
    return vscode.languages.registerInlineCompletionItemProvider(LANGUAGES, {
      provideInlineCompletionItems: (...request) => this.provide(...request),
    });
  }
}
