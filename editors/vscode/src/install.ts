/** Owns installing the server into the extension's own environment, with progress that can be cancelled. */
import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import * as vscode from "vscode";
import { ownEnvironment, programOf } from "./server";

const PYTHONS = ["python3", "python3.13", "python3.12", "python3.11", "python", "py"];
const CHECK = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";

/** Install or update; returns true if the server is installed. */
export async function install(context: vscode.ExtensionContext, log: vscode.LogOutputChannel): Promise<boolean> {
  const options = {
    location: vscode.ProgressLocation.Notification,
    title: "aix-lsp",
    cancellable: true,
  };
  try {
    await vscode.window.withProgress(options, (progress, token) => steps(context, log, progress, token));
    return true;
  } catch (error) {
    if (!(error instanceof vscode.CancellationError)) {
      log.error(String(error));
      const choice = await vscode.window.showErrorMessage(`aix-lsp was not installed: ${message(error)}`, "Show Log");
      if (choice) {
        log.show();
      }
    }
    return false;
  }
}

async function steps(
  context: vscode.ExtensionContext,
  log: vscode.LogOutputChannel,
  progress: vscode.Progress<{ message: string }>,
  token: vscode.CancellationToken,
): Promise<void> {
  const environment = ownEnvironment(context);
  const folder = dirname(environment);
  await mkdir(folder, { recursive: true });
  progress.report({ message: "looking for Python" });
  const python = await findPython(folder, log, token);
  progress.report({ message: "creating an environment" });
  await run(folder, python, ["-I", "-m", "venv", environment], log, token);
  const name = vscode.workspace.getConfiguration("aix.server").get<string>("package", "aix-lsp");
  progress.report({ message: `installing ${name}; PyTorch is large, so this takes a few minutes` });
  const pip = ["-m", "pip", "install", "--upgrade", "--progress-bar", "off", name];
  await run(folder, programOf(environment, "python"), pip, log, token, (line) => {
    const step = /^(Collecting|Downloading|Installing collected packages|Successfully)\b.*/.exec(line);
    if (step) {
      progress.report({ message: step[0].slice(0, 80) });
    }
  });
}

async function findPython(folder: string, log: vscode.LogOutputChannel, token: vscode.CancellationToken): Promise<string> {
  for (const python of PYTHONS) {
    try {
      await run(folder, python, ["-I", "-c", CHECK], log, token);
      return python;
    } catch (error) {
      if (error instanceof vscode.CancellationError) {
        throw error;
      }
    }
  }
  throw new Error("Python 3.11 or newer with its venv module is needed (on Debian: apt install python3-venv)");
}

function run(
  folder: string,
  command: string,
  args: string[],
  log: vscode.LogOutputChannel,
  token: vscode.CancellationToken,
  onLine: (line: string) => void = () => {},
): Promise<void> {
  log.info([command, ...args].join(" "));
  return new Promise((resolve, reject) => {
    // Not in the folder that is open, in which Python would look for modules first.
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], cwd: folder });
    const cancelled = token.onCancellationRequested(() => child.kill());
    const read = (data: Buffer): void => {
      for (const line of data.toString().split(/\r?\n/).filter(Boolean)) {
        log.info(line);
        onLine(line);
      }
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.on("error", reject);
    child.on("close", (code) => {
      cancelled.dispose();
      if (token.isCancellationRequested) {
        reject(new vscode.CancellationError());
      } else if (code !== 0) {
        reject(new Error(`${command} ended with status ${code}`));
      } else {
        resolve();
      }
    });
  });
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
