/** Owns the choice of a model: the list, the question about the licence, and the download. */
import * as vscode from "vscode";
import { type Choice, entries, type Models, question } from "./choices";
import { setOption } from "./configuration";
import type { Session } from "./session";

/** Let the user choose a model, and use it from now on. */
export async function chooseModel(session: Session): Promise<void> {
  try {
    const models = await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Window, title: "aix-lsp: looking for models" },
      () => session.execute("aix.models") as Promise<Models | undefined>,
    );
    if (!models) {
      return;
    }
    const entry = await vscode.window.showQuickPick(entries(models), {
      title: "aix-lsp: Model",
      placeHolder: "What fits this computer, and what is on it",
      matchOnDetail: true,
    });
    const model = entry && (entry.choice ? await fetched(session, entry.choice) : await another(models.current));
    if (model) {
      await setOption("model", model);
    }
  } catch (error) {
    void vscode.window.showErrorMessage(`aix-lsp: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** The model, downloaded if necessary, but not before the user has seen its licence and agreed to it. */
async function fetched(session: Session, choice: Choice): Promise<string | undefined> {
  if (!choice.get) {
    return choice.model;
  }
  const { message, detail, yes } = question(choice);
  if ((await vscode.window.showWarningMessage(message, { modal: true, detail }, yes)) !== yes) {
    return undefined;
  }
  const got = await session.execute("aix.getModel", { name: choice.get, agreed: true });
  return got ? choice.model : undefined;
}

async function another(current: string): Promise<string | undefined> {
  return vscode.window.showInputBox({
    title: "Model",
    prompt: "A folder, a GGUF file, a Hugging Face id, a name of the catalogue, or embedded",
    value: current,
  });
}
