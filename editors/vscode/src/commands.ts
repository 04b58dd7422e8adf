/** Owns the commands and the status bar's menu. The session, the settings or the server carries them out. */
import * as vscode from "vscode";
import { setOption } from "./configuration";
import { chooseModel } from "./models";
import type { Session } from "./session";
import type { Item } from "./stream";

const EXAMPLE = `def mean(values):
    """The arithmetic mean of a list of numbers."""
    `;

/** Register all commands of package.json. */
export function registerCommands(
  context: vscode.ExtensionContext,
  session: Session,
  log: vscode.LogOutputChannel,
): vscode.Disposable {
  const commands: Record<string, (...args: never[]) => unknown> = {
    "aix-lsp.menu": () => menu(),
    "aix-lsp.suggest": () => suggest(),
    "aix-lsp.dismiss": () => session.dismiss(),
    "aix-lsp.accepted": (item: () => Item | undefined) => session.accepted(item()),
    "aix-lsp.toggle": () => toggle(),
    "aix-lsp.toggleLanguage": () => toggleLanguage(),
    "aix-lsp.switchModel": () => chooseModel(session),
    "aix-lsp.statistics": () => statistics(session),
    "aix-lsp.clearCaches": () => session.execute("aix.clearCaches"),
    "aix-lsp.restartEngine": () => session.execute("aix.restartEngine"),
    "aix-lsp.restart": () => session.restart(),
    "aix-lsp.install": () => session.install(),
    "aix-lsp.showLog": () => log.show(),
    "aix-lsp.example": () => example(),
    "aix-lsp.walkthrough": () =>
      vscode.commands.executeCommand("workbench.action.openWalkthrough", `${context.extension.id}#start`),
  };
  return vscode.Disposable.from(
    ...Object.entries(commands).map(([name, run]) => vscode.commands.registerCommand(name, run)),
  );
}

/** Close the popup: while it is open, VS Code shows only ghost text that continues its selected entry. */
async function suggest(): Promise<void> {
  await vscode.commands.executeCommand("hideSuggestWidget");
  await vscode.commands.executeCommand("editor.action.inlineSuggest.trigger");
}

async function menu(): Promise<void> {
  const paused = !vscode.workspace.getConfiguration("aix").get<boolean>("enabled", true);
  const language = vscode.window.activeTextEditor?.document.languageId;
  const entries: (vscode.QuickPickItem & { run: string })[] = [
    { label: paused ? "$(debug-start) Resume" : "$(debug-pause) Pause", run: "aix-lsp.toggle" },
    { label: "$(symbol-misc) Choose a model…", run: "aix-lsp.switchModel" },
    { label: "$(graph) Statistics", run: "aix-lsp.statistics" },
    { label: "$(output) Show log", run: "aix-lsp.showLog" },
    { label: "$(refresh) Restart the server", run: "aix-lsp.restart" },
    { label: "$(server-process) Restart the engine (the model's process)", run: "aix-lsp.restartEngine" },
    { label: "$(clear-all) Clear caches", run: "aix-lsp.clearCaches" },
    { label: "$(book) Getting started", run: "aix-lsp.walkthrough" },
  ];
  if (language) {
    const off = languageIsOff(language);
    entries.splice(1, 0, {
      label: `$(file-code) Turn ${off ? "on" : "off"} for ${language}`,
      run: "aix-lsp.toggleLanguage",
    });
  }
  const choice = await vscode.window.showQuickPick(entries, { title: "aix-lsp" });
  if (choice) {
    await vscode.commands.executeCommand(choice.run);
  }
}

async function toggle(): Promise<void> {
  const enabled = vscode.workspace.getConfiguration("aix").get<boolean>("enabled", true);
  await setOption("enabled", !enabled);
}

type Languages = Record<string, Record<string, unknown>>;

function languages(): Languages {
  return vscode.workspace.getConfiguration("aix").get<Languages>("languages", {});
}

function languageIsOff(language: string): boolean {
  return languages()[language]?.enabled === false;
}

async function toggleLanguage(): Promise<void> {
  const language = vscode.window.activeTextEditor?.document.languageId;
  if (!language) {
    void vscode.window.showInformationMessage("aix-lsp: open a file of the language first");
    return;
  }
  const next = { ...languages()[language], enabled: languageIsOff(language) };
  await setOption("languages", { ...languages(), [language]: next });
}

async function statistics(session: Session): Promise<void> {
  const answer = await session.execute("aix.statistics");
  if (answer !== undefined && answer !== null) {
    const content = typeof answer === "string" ? answer : JSON.stringify(answer, null, 2);
    const language = typeof answer === "string" ? "plaintext" : "json";
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument({ content, language }));
  }
}

async function example(): Promise<void> {
  const document = await vscode.workspace.openTextDocument({ content: EXAMPLE, language: "python" });
  const editor = await vscode.window.showTextDocument(document);
  const end = document.lineAt(document.lineCount - 1).range.end;
  editor.selection = new vscode.Selection(end, end);
  await vscode.commands.executeCommand("editor.action.inlineSuggest.trigger");
}
