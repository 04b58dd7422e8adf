/** Owns the language client: how the server is started, and which features of LSP are used. */
import * as vscode from "vscode";
import {
  type DynamicFeature,
  InlineCompletionRequest,
  LanguageClient,
  type LanguageClientOptions,
  type ServerOptions,
  type StaticFeature,
} from "vscode-languageclient/node";
import { serverSettings } from "./configuration";
import type { ServerCommand } from "./server";

/** The server's status (`aix/status`). */
export interface ServerStatus {
  state: string;
  message?: string;
  fraction?: number;
  model?: string | { name?: string } | null;
  running?: string;
}

/**
 * A client without its own ghost text: ours comes over aix/inlineCompletion, which streams. VS Code would also take
 * a second provider in our name for ours when told to ask ours again.
 */
class Client extends LanguageClient {
  override registerFeature(feature: StaticFeature | DynamicFeature<unknown>): void {
    const method = "registrationType" in feature ? feature.registrationType.method : "";
    if (method !== InlineCompletionRequest.method) {
      super.registerFeature(feature);
    }
  }
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
    options: { env: { ...safeEnvironment(), ...environment } },
  };
  const client = new Client("aix", "aix-lsp", server, clientOptions(log));
  client.onNotification("aix/status", onStatus);
  return client;
}

/** Our environment variables, with which Python finds no modules in the folder that is open. */
function safeEnvironment(): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = { ...process.env, PYTHONSAFEPATH: "1" };
  delete environment.PYTHONPATH;
  delete environment.PYTHONSTARTUP;
  return environment;
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
    initializationOptions: { ...serverSettings(), workspaceTrusted: vscode.workspace.isTrusted },
    middleware: {
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
