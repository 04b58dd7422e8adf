/** Owns the running server and its ghost text: starts, stops and restarts them together. */
import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";
import { makeClient } from "./client";
import { GhostText } from "./ghost";
import { install } from "./install";
import { findServer } from "./server";
import type { StatusBar } from "./status";
import type { Item } from "./stream";

export class Session implements vscode.Disposable {
  private client: LanguageClient | undefined;
  private ghost: GhostText | undefined;

  constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly log: vscode.LogOutputChannel,
    private readonly bar: StatusBar,
  ) {}

  /** Start the server; if there is none, offer to install it. */
  async start(): Promise<void> {
    const found = await findServer(this.context);
    if (!found) {
      this.bar.set({ state: "off", message: "the server is not installed" });
      await this.offer();
      return;
    }
    this.log.info(`server: ${found.command} (from ${found.from})`);
    const client = makeClient(found, this.log, (status) => this.bar.set(status));
    this.client = client;
    this.bar.set({ state: "loading" });
    try {
      await client.start();
    } catch (error) {
      this.bar.set({ state: "error", message: String(error) });
      throw error;
    }
    this.ghost = new GhostText(client, {
      shown: (item) => this.tell("aix/didShow", item, this.bar.shown(item)),
    }, (text) => this.log.trace(text));
    this.ghost.register();
    setContext("aix-lsp.running", true);
  }

  async stop(): Promise<void> {
    setContext("aix-lsp.running", false);
    this.ghost?.dispose();
    const client = this.client;
    this.client = this.ghost = undefined;
    await client?.dispose(5000);
    this.bar.set({ state: "off" });
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async install(): Promise<void> {
    await this.stop();
    await install(this.context, this.log);
    await this.start();
  }

  /** Run one of the server's commands. */
  async execute(command: string, ...args: unknown[]): Promise<unknown> {
    if (!this.client) {
      void vscode.window.showWarningMessage("aix-lsp: the server is not running; see the command aix-lsp: Show Log");
      return undefined;
    }
    return this.client.sendRequest("workspace/executeCommand", { command, arguments: args });
  }

  dismiss(): void {
    this.ghost?.dismiss();
  }

  /** Record that the user accepted a suggestion. One accepted while it was growing has no item yet. */
  accepted(item: Item | undefined): void {
    this.bar.accepted();
    setContext("aix-lsp.accepted", true);
    if (item) {
      this.tell("aix/didAccept", item, true);
    }
  }

  dispose(): void {
    void this.stop();
  }

  private tell(method: string, item: Item, wanted: boolean): void {
    if (wanted) {
      void this.client?.sendNotification(method, { item });
    }
  }

  private async offer(): Promise<void> {
    const question = "aix-lsp: its server is not on this machine yet. Install it into its own environment?";
    const choice = await vscode.window.showInformationMessage(question, "Install", "Getting Started");
    if (choice === "Install") {
      await this.install();
    } else if (choice) {
      await vscode.commands.executeCommand("aix-lsp.walkthrough");
    }
  }
}

function setContext(key: string, value: boolean): void {
  void vscode.commands.executeCommand("setContext", key, value);
}
