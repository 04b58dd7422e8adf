/** Owns the status bar item and the figures behind it: state, model, latency, acceptance. */
import * as vscode from "vscode";
import type { ServerStatus } from "./client";
import type { Item } from "./stream";

const ICONS: Record<string, string> = {
  off: "$(circle-slash)",
  loading: "$(loading~spin)",
  ready: "$(sparkle)",
  busy: "$(sparkle)",
  inactive: "$(eye-closed)",
  paused: "$(debug-pause)",
  waiting: "$(watch)",
  error: "$(error)",
};
const REMEMBERED = 50;

export class StatusBar implements vscode.Disposable {
  private readonly bar = vscode.window.createStatusBarItem("aix-lsp", vscode.StatusBarAlignment.Right, 100);
  private status: ServerStatus = { state: "off" };
  private readonly latencies: number[] = [];
  private readonly seen = new Set<string>();
  private shownCount = 0;
  private acceptedCount = 0;

  constructor() {
    this.bar.name = "aix-lsp";
    this.bar.command = "aix-lsp.menu";
    this.draw();
  }

  set(status: ServerStatus): void {
    this.status = status;
    this.draw();
  }

  /** Whether an item is shown for the first time. */
  shown(item: Item): boolean {
    const id = item.data?.id ?? "";
    if (id !== "" && this.seen.has(id)) {
      return false;
    }
    this.seen.add(id);
    this.shownCount += 1;
    if (item.data?.firstTextMs !== undefined) {
      this.latencies.push(item.data.firstTextMs);
      this.latencies.splice(0, this.latencies.length - REMEMBERED);
    }
    this.draw();
    return true;
  }

  accepted(): void {
    this.acceptedCount += 1;
    this.draw();
  }

  dispose(): void {
    this.bar.dispose();
  }

  draw(): void {
    const configuration = vscode.workspace.getConfiguration("aix");
    const paused = !configuration.get<boolean>("enabled", true);
    const state = paused ? "paused" : this.status.state;
    this.bar.text = [ICONS[state] ?? "$(sparkle)", this.label(state)].join(" ");
    this.bar.tooltip = this.tooltip(state);
    this.bar.backgroundColor =
      state === "error" ? new vscode.ThemeColor("statusBarItem.errorBackground") : undefined;
    if (configuration.get<boolean>("statusBar", true)) {
      this.bar.show();
    } else {
      this.bar.hide();
    }
  }

  private label(state: string): string {
    if (state === "loading" && typeof this.status.fraction === "number") {
      return `aix ${Math.floor(this.status.fraction * 100)}%`;
    }
    if (state === "ready" || state === "busy") {
      const median = this.median();
      return `${this.model()}${median === undefined ? "" : ` ${Math.round(median)} ms`}`;
    }
    return `aix ${state}`;
  }

  private model(): string {
    const model = this.status.model;
    const name = typeof model === "string" ? model : model?.name;
    return name?.split("/").at(-1) || "aix";
  }

  private median(): number | undefined {
    const sorted = this.latencies.toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)];
  }

  private tooltip(state: string): string {
    const lines = [`aix-lsp: ${state}${this.status.message ? `, ${this.status.message}` : ""}`];
    lines.push(`Model: ${this.model()}`);
    if (this.status.running) {
      lines.push(`Runs as: ${this.status.running}`);
    }
    const median = this.median();
    if (median !== undefined) {
      lines.push(`First text: ${Math.round(median)} ms (median of the last ${this.latencies.length})`);
    }
    if (this.shownCount > 0) {
      const rate = Math.round((100 * this.acceptedCount) / this.shownCount);
      lines.push(`Accepted: ${this.acceptedCount} of ${this.shownCount} shown (${rate} %)`);
    }
    return lines.join("\n");
  }
}
