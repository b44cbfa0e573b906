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
const FIRST_ASK_MS = 500; // by then VS Code has asked, if it knew of the provider when a key came
const STEPS_IN_VAIN = 3; // one alone proves nothing: the focus may have been in another editor
const LANGUAGES = [{ scheme: 'file' }, { scheme: 'untitled' }]; // always the same: the newest is then found first

const { Automatic, Invoke } = vscode.InlineCompletionTriggerKind;

interface Place {
  document: vscode.TextDocument;
  version: number;
  position: vscode.Position;
}

function same(one: Place | undefined, other: Place): boolean {
  return (
    one?.document === other.document && one.version === other.version && one.position.isEqual(other.position)
  );
}

export class GhostText implements vscode.Disposable {
  private suggestion: Suggestion | undefined;
  private asked: (Place & { by: number }) | undefined; // where VS Code asked last, and which provider
  private shown: (Place & { text: string }) | undefined; // what it was given last; '' if it gave up before
  private grows: 'perhaps' | 'yes' | 'no' = 'perhaps'; // whether this VS Code knows the trigger's arguments
  private inVain = 0; // steps that it did not answer
  private stepAt: Place | undefined; // of the step that is under way
  private kinds = new Set<vscode.InlineCompletionTriggerKind>(); // of what VS Code asked there since it began
  private growing = false;
  private grown = false;
  private writing = false;
  private registered = 0;
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
      vscode.window.onDidChangeWindowState(() => void this.grow()),
      this.firstKey(),
    );
  }

  dispose(): void {
    const { suggestion } = this;
    this.suggestion = this.shown = undefined;
    suggestion?.stop();
    this.setWriting(false);
    this.subscriptions.dispose();
    this.registration.dispose();
  }

  /** VS Code asks: at once what is known, else the first that the server writes. */
  private async provide(
    by: number,
    document: vscode.TextDocument,
    position: vscode.Position,
    context: vscode.InlineCompletionContext,
    token: vscode.CancellationToken,
  ): Promise<vscode.InlineCompletionItem[] | undefined> {
    const here = { document, version: document.version, position };
    if (same(this.stepAt, here)) this.kinds.add(context.triggerKind);
    // It asks all providers that there are, the newest first. An older one, a moment later, might know more
    // already: there would then be two items, and the shorter one on screen.
    if (this.asked && by < this.asked.by && same(this.asked, here)) return undefined;
    const suggestion = this.suggestionAt(here, by, context);
    const cancelled = new Promise<void>((resolve) => token.onCancellationRequested(() => resolve()));
    while (suggestion && !suggestion.over && !token.isCancellationRequested) {
      const text = suggestion.rest(document, position);
      if (text === undefined || (text !== '' && this.grows !== 'no')) break;
      await Promise.race([suggestion.news, cancelled]);
    }
    // VS Code gives up 750 ms after a key. What comes later is then shown by a step, as if it had begun with nothing.
    if (token.isCancellationRequested && !same(this.shown, here)) {
      this.shown = { ...here, text: '' };
      void this.grow();
    }
    const text = suggestion?.rest(document, position);
    if (!suggestion || !text || suggestion.dismissed || token.isCancellationRequested) return undefined;
    this.shown = { ...here, text };
    return [suggestion.item(text, position)];
  }

  /** The suggestion that answers here: the present one if it still fits, a new one if not, or none at all. */
  private suggestionAt(
    here: Place,
    by: number,
    context: vscode.InlineCompletionContext,
  ): Suggestion | undefined {
    const { asked, suggestion } = this;
    this.asked = { ...here, by };
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
    const samePlace = same(asked, here);
    if (rest !== undefined && (suggestion?.complete ? rest !== '' : samePlace && !suggestion?.over))
      return suggestion;
    return this.ask(here, context, rest ?? '');
  }

  private ask(here: Place, context: vscode.InlineCompletionContext, known: string): Suggestion | undefined {
    const old = this.suggestion;
    this.suggestion = undefined;
    if (this.client.isRunning()) {
      const { document, position } = here;
      this.suggestion = new Suggestion(this.client, document, position, context, known, (it) => {
        if (it === this.suggestion) void this.grow();
      });
    }
    old?.stop(); // after the new request, which may take over what the server is writing for the old one
    this.setWriting(this.suggestion !== undefined);
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
      this.setWriting(this.suggestion?.over === false);
    }
  }

  /** Only where VS Code already shows the beginning: in any other place it asks by itself. */
  private hasMoreToShow(): boolean {
    const editor = vscode.window.activeTextEditor;
    const { shown, suggestion } = this;
    if (!editor || !shown || !suggestion || suggestion.dismissed || !vscode.window.state.focused)
      return false;
    const { document, selection } = editor;
    if (!same(shown, { document, version: document.version, position: selection.active })) return false;
    const rest = suggestion.rest(document, selection.active);
    return Boolean(rest) && rest !== shown.text && (this.grows !== 'no' || suggestion.over);
  }

  private async step(): Promise<void> {
    if (this.grows === 'no') {
      await vscode.commands.executeCommand(HIDE); // one flicker, and the whole text
      await vscode.commands.executeCommand(TRIGGER);
      return;
    }
    this.setWriting(true);
    const old = this.registration;
    this.registration = this.register();
    setTimeout(() => {
      old.dispose();
    }, DROP_AFTER_MS);
    this.stepAt = this.shown;
    this.kinds.clear();
    await this.trigger();
    this.stepAt = undefined;
    if (this.grows === 'perhaps') this.learn();
  }

  /** A VS Code that does not know the arguments asks as a user would, or not at all. */
  private learn(): void {
    if (this.kinds.has(Automatic)) {
      this.grows = 'yes';
      return;
    }
    if (this.kinds.has(Invoke) || (this.hasMoreToShow() && ++this.inVain === STEPS_IN_VAIN)) {
      this.grows = 'no';
      if (this.shown) this.shown.text = ''; // the screen has not followed
    }
    this.grown = true;
  }

  /** The cursor has moved. Elsewhere nobody will read what is being written; here it may go on growing now. */
  private follow(editor: vscode.TextEditor | undefined): void {
    if (editor !== vscode.window.activeTextEditor) return; // such as a log, which scrolls by itself
    const { suggestion } = this;
    if (!suggestion) return;
    if (editor && suggestion.rest(editor.document, editor.selection.active) !== undefined) {
      void this.grow();
    } else {
      this.shown = undefined;
      suggestion.stop();
    }
  }

  private async dismiss(): Promise<void> {
    if (this.suggestion) {
      this.suggestion.dismissed = true;
      this.suggestion.stop();
    }
    await vscode.commands.executeCommand(HIDE);
  }

  /** While it is true, Escape is ours: VS Code's own would let the next step of growth bring the text back. */
  private setWriting(now: boolean): void {
    if (now === this.writing) return;
    this.writing = now;
    void vscode.commands.executeCommand('setContext', 'midfill.writing', now);
  }

  /** VS Code, busy with its own start, may learn of the provider only after the first keys, and asks nothing then. */
  private firstKey(): vscode.Disposable {
    const listener = vscode.workspace.onDidChangeTextDocument(({ document }) => {
      if (document !== vscode.window.activeTextEditor?.document) return;
      listener.dispose();
      setTimeout(() => {
        if (!this.asked) void this.trigger();
      }, FIRST_ASK_MS);
    });
    return listener;
  }

  /** VS Code is to ask the newest provider, as after a key. */
  private async trigger(): Promise<void> {
    await vscode.commands.executeCommand(TRIGGER, { explicit: false, providerId: this.identifier });
  }

  private register(): vscode.Disposable {
    const by = ++this.registered;
    return vscode.languages.registerInlineCompletionItemProvider(LANGUAGES, {
      provideInlineCompletionItems: (...request) => this.provide(by, ...request),
    });
  }
}
