/** Owns the language client: how the server is started and what of LSP it is used for. */
import * as vscode from "vscode";
import { LanguageClient, type LanguageClientOptions, type ServerOptions } from "vscode-languageclient/node";
import { serverSettings } from "./configuration";
import type { ServerCommand } from "./server";

/** What the server says of itself (`aix/status`). */
export interface ServerStatus {
  state: string;
  message?: string;
  fraction?: number;
  model?: string | { name?: string } | null;
}

/** A client for the server; not started. */
export function makeClient(
  found: ServerCommand,
  log: vscode.LogOutputChannel,
  onStatus: (status: ServerStatus) => void,
): LanguageClient {
  const environment = vscode.workspace.getConfiguration("aix.server").get<Record<string, string>>("environment", {});
  const server: ServerOptions = {
    command: found.command,
    args: found.args,
    options: { env: { ...process.env, ...environment } },
  };
  const client = new LanguageClient("aix", "aix-lsp", server, clientOptions(log));
  client.onNotification("aix/status", onStatus);
  return client;
}

function clientOptions(log: vscode.LogOutputChannel): LanguageClientOptions {
  return {
    documentSelector: [
      { scheme: "file" },
      { scheme: "untitled" },
      { scheme: "vscode-remote" },
      { scheme: "vscode-notebook-cell" },
    ],
    outputChannel: log,
    initializationOptions: serverSettings(),
    middleware: {
      // Ghost text comes over aix/inlineCompletion, which streams; twice would be once too often.
      provideInlineCompletionItems: () => null,
      workspace: {
        configuration: (params) =>
          params.items.map((item) =>
            item.section === "aix"
              ? serverSettings(item.scopeUri ? vscode.Uri.parse(item.scopeUri) : undefined)
              : null,
          ),
      },
    },
  };
}
