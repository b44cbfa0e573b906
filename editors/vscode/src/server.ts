// The language server of this window: found, started, asked how it is, and started again.

import * as vscode from 'vscode';
import { LanguageClient, State } from 'vscode-languageclient/node';
import { findMidfill } from './find';
import { DOCUMENTS, GhostText } from './ghost';

/** What `midfill serve` tells of itself, and of the engine that all windows share. */
export interface Status {
  state: 'missing' | 'off' | 'starting' | 'loading' | 'ready' | 'failed';
  paused: boolean;
  /** In seconds since 1970. */
  snoozedUntil: number | null;
  trigger: 'auto' | 'manual';
  model: string | null;
  message: string;
  progress: number;
  warning: string;
}

type Method = 'midfill/pause' | 'midfill/snooze' | 'midfill/resume' | 'midfill/restart';

const STARTING: Status = {
  state: 'starting',
  paused: false,
  snoozedUntil: null,
  trigger: 'auto',
  model: null,
  message: '',
  progress: 0,
  warning: '',
};

export class Server implements vscode.Disposable {
  status = STARTING;
  private client: LanguageClient | undefined;
  private ghost: GhostText | undefined;
  private started = Promise.resolve();
  private readonly changed = new vscode.EventEmitter<Status>();
  readonly onStatus = this.changed.event;

  constructor(
    private readonly identifier: string,
    readonly log: vscode.LogOutputChannel,
  ) {}

  /** Start, or start again, one after the other: there is never a second server in a window. */
  async start(): Promise<void> {
    this.started = this.started.catch(() => undefined).then(() => this.startNow());
    await this.started;
  }

  /** A server that cannot be started is told once, with what to do about it. */
  private async startNow(): Promise<void> {
    await this.stop();
    this.show(STARTING);
    const command = await findMidfill();
    if (command === undefined) {
      void this.missing(); // the message stays until the user answers
      return;
    }
    this.log.info(`Starting ${command} serve`);
    const client = this.connect(command);
    this.client = client;
    try {
      await client.start();
    } catch (error) {
      const message = `${command} did not start: ${String(error instanceof Error ? error.message : error)}`;
      this.show({ ...STARTING, state: 'failed', message });
      return;
    }
    this.ghost = new GhostText(client, this.identifier);
  }

  async stop(): Promise<void> {
    const { client, ghost } = this;
    this.client = this.ghost = undefined;
    ghost?.dispose();
    if (client?.needsStop()) await client.stop().catch((error: unknown) => this.log.warn(String(error)));
  }

  /** One of the requests that are answered with the status. */
  async request(method: Method, params: object = {}): Promise<void> {
    await this.started;
    if (this.client?.isRunning()) this.show(await this.client.sendRequest<Status>(method, params));
    else await this.start();
  }

  /** What became of the last request for ghost text; all of them on demand. */
  async why(): Promise<void> {
    await this.started;
    if (!this.client?.isRunning()) return this.start();
    const { requests } = await this.client.sendRequest<{ requests: string[] }>('midfill/why');
    const last = requests.at(-1) ?? 'nothing was asked in this window yet; type in a file, then try again';
    const all = 'Show the Last Ones';
    if ((await vscode.window.showInformationMessage(`Midfill: ${last}`, all)) !== all) return;
    requests.forEach((line) => this.log.info(line));
    this.log.show();
  }

  dispose(): void {
    void this.stop();
    this.changed.dispose();
  }

  private connect(command: string): LanguageClient {
    const client = new LanguageClient(
      'midfill',
      'Midfill',
      { command, args: ['serve'] },
      {
        documentSelector: DOCUMENTS,
        initializationOptions: vscode.workspace.getConfiguration('midfill'),
        outputChannel: this.log,
        // Ghost text grows, which the client's own provider cannot do: GhostText asks instead.
        middleware: { provideInlineCompletionItems: () => null },
      },
    );
    client.onDidChangeState(({ newState }) => {
      if (newState === State.Stopped && this.client === client)
        this.show({
          ...STARTING,
          state: 'failed',
          message: 'The language server has stopped; the log says why.',
        });
    });
    client.onNotification('midfill/statusChanged', (status: Status) => this.show(status));
    return client;
  }

  /** A server of another version may leave fields out. */
  private show(status: Partial<Status>): void {
    this.status = { ...STARTING, ...status };
    this.changed.fire(this.status);
  }

  private async missing(): Promise<void> {
    const machine = vscode.env.remoteName ? 'the remote machine, where your files are' : 'this machine';
    const message = `The program "midfill" was not found on ${machine}. Install it from a checkout or a wheel, or say where it is.`;
    this.show({ ...STARTING, state: 'missing', message });
    const [install, settings, again] = ['Install in Terminal', 'Open Settings', 'Try Again'];
    const choice = await vscode.window.showErrorMessage(`Midfill: ${message}`, install, settings, again);
    const run = vscode.commands.executeCommand;
    if (choice === install) await run('midfill.install');
    else if (choice === settings) await run('workbench.action.openSettings', 'midfill.command');
    else if (choice === again) await this.start();
  }
}
