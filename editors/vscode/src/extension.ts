/** Owns the extension's lifecycle: creates its parts and registers its commands. */
import * as vscode from "vscode";
import { registerCommands } from "./commands";
import { Session } from "./session";
import { StatusBar } from "./status";

let session: Session | undefined;

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const log = vscode.window.createOutputChannel("aix-lsp", { log: true });
  const bar = new StatusBar();
  session = new Session(context, log, bar);
  context.subscriptions.push(log, bar, registerCommands(context, session, log));
  context.subscriptions.push(
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("aix")) {
        bar.draw();
      }
      if (event.affectsConfiguration("aix.server")) {
        void session?.restart();
      }
    }),
  );
  context.subscriptions.push(vscode.workspace.onDidGrantWorkspaceTrust(() => void session?.restart()));
  try {
    await session.start();
  } catch (error) {
    log.error(`the server did not start: ${String(error)}`);
  }
}

export async function deactivate(): Promise<void> {
  await session?.stop();
}
