/** Owns the settings that the server gets: those that somebody has set, not the defaults, and not our own. */
import * as vscode from "vscode";

const OURS = new Set(["server", "ghost", "statusBar"]);

/** The settings of the section `aix` for a resource. Defaults are left out, so that `.aix-lsp.toml` applies. */
export function serverSettings(scope?: vscode.ConfigurationScope): Record<string, unknown> {
  const configuration = vscode.workspace.getConfiguration("aix", scope);
  const settings: Record<string, unknown> = {};
  for (const name of Object.keys(configuration)) {
    const found = OURS.has(name) ? undefined : configuration.inspect(name);
    if (!found) {
      continue;
    }
    const value = found.workspaceFolderValue ?? found.workspaceValue ?? found.globalValue;
    if (value !== undefined) {
      settings[name] = configuration.get(name);
    }
  }
  return settings;
}

/** Set an option where it is already set, otherwise for the user. */
export async function setOption(name: string, value: unknown): Promise<void> {
  const configuration = vscode.workspace.getConfiguration("aix");
  const workspace = configuration.inspect(name)?.workspaceValue !== undefined;
  const target = workspace ? vscode.ConfigurationTarget.Workspace : vscode.ConfigurationTarget.Global;
  await configuration.update(name, value, target);
}
