// Ghost text that grows while it is written, on VS Code's stable API.
//
// VS Code does not ask a provider again at the same place, unless the provider is a new object. So each step
// registers a new one, triggers it alone, and drops the old one a little later: a request of VS Code's own
// that still waits out its debounce asks the providers that there were when it began.

import * as vscode from 'vscode';
import type { LanguageClient } from 'vscode-languageclient/node';
import { activeCursor, type Cursor, cursorAt } from './cursor';
import { CompletionRequest } from './request';
import { due, samePlace, type Shown, sourceOf } from './screen';
import { othersAt, type Place, restAt } from './suggestion';

const TRIGGER = 'editor.action.inlineSuggest.trigger';
const HIDE = 'editor.action.inlineSuggest.hide';
const DROP_AFTER_MS = 150; // VS Code's debounce is 50
const FIRST_ASK_MS = 500; // by then VS Code has asked, if it knew of the provider when a key came
const MAY_BE_LATE_MS = 400; // a text this long after VS Code asked may find that it has just given up (750 ms after a key)
const HAS_GIVEN_UP_MS = 1000; // by then it has, if it does
const STEPS_IN_VAIN = 3; // one alone proves nothing: the focus may have been in another editor
/** What is told document by document; notebooks are told as a whole. */
export const DOCUMENTS = ['file', 'untitled', 'vscode-remote', 'vscode-vfs'].map((scheme) => ({ scheme }));
const LANGUAGES = [...DOCUMENTS, { scheme: 'vscode-notebook-cell' }]; // always the same: the newest is then found first

const { Automatic, Invoke } = vscode.InlineCompletionTriggerKind;

export class GhostText implements vscode.Disposable {
  private request: CompletionRequest | undefined;
  private asked: { place: Place; by: number; since: number } | undefined; // where VS Code asked last, and which provider
  private shown: Shown | undefined;
  private grows: 'perhaps' | 'yes' | 'no' = 'perhaps'; // whether this VS Code knows the trigger's arguments
  private inVain = 0; // steps that it did not answer
  private stepAt: Place | undefined; // of the step that is under way
  private kinds = new Set<vscode.InlineCompletionTriggerKind>(); // of what VS Code asked there since it began
  private clearedAt: Place | undefined; // and no step since
  private growing = false;
  private grown = false;
  private writing = false;
  private gathering = 0; // questions for all that there is to choose from: a step would end them
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
      vscode.window.onDidChangeWindowState(() => this.update()),
      this.firstKey(),
    );
  }

  dispose(): void {
    const { request } = this;
    this.request = this.shown = undefined;
    request?.stop();
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
    const here = cursorAt(document, position);
    // A VS Code that does not know the arguments asks for a step as for a user. One that does: the user asks.
    const step = samePlace(this.stepAt, here) && (context.triggerKind === Automatic || this.grows !== 'yes');
    if (step) this.kinds.add(context.triggerKind);
    // It asks all providers that there are, the newest first. An older one, a moment later, might know more
    // already: there would then be two items, and the shorter one on screen.
    if (this.asked && by < this.asked.by && samePlace(this.asked.place, here)) return undefined;
    // Who sees some ghost text and asks for more wants the others, and sees that text until they are there.
    const gathers =
      !step &&
      context.triggerKind === Invoke &&
      samePlace(this.shown?.place, here) &&
      this.shown?.text !== '';
    const request = this.requestAt(here, by, context, step);
    const text = () => request && restAt(request.suggestion, here);
    const cancelled = new Promise<void>((resolve) => token.onCancellationRequested(() => resolve()));
    // A step does not wait: what comes later is shown by another one.
    this.gathering += gathers ? 1 : 0;
    while (request?.suggestion.state === 'writing' && !step && !token.isCancellationRequested) {
      if (text() === undefined || (text() !== '' && this.grows !== 'no' && !gathers)) break;
      await Promise.race([request.news, cancelled]);
    }
    this.gathering -= gathers ? 1 : 0;
    if (token.isCancellationRequested) {
      // VS Code gives up 750 ms after a key. What comes later is shown by a step, as if it had begun with nothing.
      if (!samePlace(this.shown?.place, here)) {
        this.shown = { place: here, text: '', others: 0 };
        this.update();
      }
      return undefined;
    }
    const given = request?.suggestion.state === 'dismissed' ? '' : (text() ?? '');
    this.shown = {
      place: here,
      text: given,
      others: request ? othersAt(request.suggestion, here).length : 0,
    };
    if (given) this.makeSure(this.shown, step);
    return request && given ? request.items(given, here) : undefined;
  }

  /** VS Code may have given up while the text was on its way to it, and says nothing then: a step shows it again. */
  private makeSure(shown: Shown, step: boolean): void {
    const took = performance.now() - (this.asked?.since ?? 0);
    if (took < MAY_BE_LATE_MS || (step && took > HAS_GIVEN_UP_MS) || this.grows === 'no') return;
    setTimeout(
      () => {
        if (this.shown !== shown) return;
        this.shown = { ...shown, text: '' };
        void this.grow();
      },
      Math.max(HAS_GIVEN_UP_MS - took, DROP_AFTER_MS),
    );
  }

  /** The request that answers here: the present one if it still fits, a new one if not, or none at all. */
  private requestAt(
    here: Cursor,
    by: number,
    context: vscode.InlineCompletionContext,
    step: boolean,
  ): CompletionRequest | undefined {
    const { asked, request } = this;
    const selected = context.selectedCompletionInfo?.text;
    const question = { place: here, automatic: step || context.triggerKind === Automatic, selected };
    const source = sourceOf(question, asked?.place, request?.suggestion);
    const since = asked && samePlace(asked.place, here) ? asked.since : performance.now();
    this.asked = { place: here, by, since };
    if (source === 'present') return request;
    if (source === 'nothing') {
      request?.stop();
      return undefined;
    }
    this.request = undefined;
    if (this.client.isRunning()) {
      this.request = new CompletionRequest(this.client, here, context, source.known, (it) => {
        if (it === this.request) this.update();
      });
    }
    request?.stop(); // after the new request, which may take over what the server is writing for the old one
    this.setWriting(this.request !== undefined);
    return this.request;
  }

  /** The screen is to follow the server: what was withdrawn goes at once, what is new comes with the next step. */
  private update(): void {
    const here = activeCursor();
    if (here && this.due() === 'clear') {
      this.shown = { place: here, text: '', others: 0 };
      if (this.grows !== 'no') this.clearedAt = here;
      void vscode.commands.executeCommand(HIDE);
    }
    void this.grow();
  }

  private due(): ReturnType<typeof due> {
    if (!vscode.window.state.focused) return 'nothing'; // VS Code shows no ghost text then
    return due(this.shown, this.request?.suggestion, activeCursor(), this.grows !== 'no');
  }

  /** One loop, however fast the text comes: a step takes VS Code 60 to 90 ms, and shows all that there is then. */
  private async grow(): Promise<void> {
    this.grown = true;
    if (this.growing) return;
    this.growing = true;
    try {
      while (this.grown) {
        this.grown = false;
        if ((this.due() === 'show' && !this.gathering) || this.isCleared()) await this.step();
      }
    } finally {
      this.growing = false;
      this.setWriting(this.request?.suggestion.state === 'writing');
    }
  }

  /**
   * HIDE has also ended a question of VS Code's own, which a step asks again. And what VS Code was given a moment
   * before may come to the screen after HIDE: a step then takes it away.
   */
  private isCleared(): boolean {
    const here = activeCursor();
    return here !== undefined && samePlace(this.clearedAt, here);
  }

  private async step(): Promise<void> {
    this.clearedAt = undefined;
    if (this.grows === 'no') {
      this.stepAt = this.shown?.place;
      await vscode.commands.executeCommand(HIDE); // one flicker, and the whole text
      await vscode.commands.executeCommand(TRIGGER);
      this.stepAt = undefined;
      return;
    }
    this.setWriting(true);
    const old = this.registration;
    this.registration = this.register();
    setTimeout(() => {
      old.dispose();
    }, DROP_AFTER_MS);
    this.stepAt = this.shown?.place;
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
    if (this.kinds.has(Invoke) || (this.due() === 'show' && ++this.inVain === STEPS_IN_VAIN)) {
      this.grows = 'no';
      if (this.shown) this.shown = { ...this.shown, text: '' }; // the screen has not followed
    }
    this.grown = true;
  }

  /** The cursor has moved. Elsewhere nobody will read what is being written; here it may go on growing now. */
  private follow(editor: vscode.TextEditor | undefined): void {
    if (editor !== vscode.window.activeTextEditor) return; // such as a log, which scrolls by itself
    const { request } = this;
    const here = activeCursor();
    if (!request) return;
    if ((here && restAt(request.suggestion, here) !== undefined) || this.due() === 'clear') {
      this.update();
    } else {
      this.shown = undefined;
      request.stop();
    }
  }

  private async dismiss(): Promise<void> {
    this.request?.dismiss();
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
