/** Owns finding the server's program: the setting, PATH, the selected Python environment, our own environment. */
import { existsSync } from "node:fs";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import * as vscode from "vscode";

const WINDOWS = process.platform === "win32";
const PROGRAM = WINDOWS ? "aix-lsp.exe" : "aix-lsp";

export interface ServerCommand {
  command: string;
  args: string[];
  /** Where it was found, for the log. */
  from: string;
}

/** The environment into which this extension installs the server. */
export function ownEnvironment(context: vscode.ExtensionContext): string {
  return join(context.globalStorageUri.fsPath, "venv");
}

/** A program in a virtual environment. */
export function programOf(environment: string, program: string): string {
  return join(environment, WINDOWS ? "Scripts" : "bin", WINDOWS ? `${program}.exe` : program);
}

/** The command to run, or undefined if there is none on this machine. */
export async function findServer(context: vscode.ExtensionContext): Promise<ServerCommand | undefined> {
  const configured = vscode.workspace.getConfiguration("aix.server").get<string[]>("command", []);
  const [command, ...args] = configured;
  if (command) {
    return { command, args, from: "the setting aix.server.command" };
  }
  for (const [from, path] of await candidates(context)) {
    if (existsSync(path)) {
      return { command: path, args: ["--stdio"], from };
    }
  }
  return undefined;
}

async function candidates(context: vscode.ExtensionContext): Promise<[string, string][]> {
  const found: [string, string][] = (process.env.PATH ?? "")
    .split(delimiter)
    .filter((folder) => isAbsolute(folder))
    .map((folder) => ["PATH", join(folder, PROGRAM)]);
  const python = await selectedPython();
  if (python) {
    found.push(["the selected Python environment", join(dirname(python), PROGRAM)]);
  }
  found.push(["the extension's environment", programOf(ownEnvironment(context), "aix-lsp")]);
  return found;
}

/** The interpreter selected in the Python extension. An untrusted workspace may have chosen it. */
async function selectedPython(): Promise<string | undefined> {
  const extension = vscode.extensions.getExtension("ms-python.python");
  if (!extension || !vscode.workspace.isTrusted) {
    return undefined;
  }
  try {
    const api = (await extension.activate()) as PythonApi;
    return api.environments.getActiveEnvironmentPath().path;
  } catch {
    return undefined;
  }
}

interface PythonApi {
  environments: { getActiveEnvironmentPath(): { path: string } };
}
