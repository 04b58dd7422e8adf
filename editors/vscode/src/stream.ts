/** Owns one streaming request (`aix/inlineCompletion`): its text so far, and its listeners. */
import * as vscode from "vscode";
import { ProgressType, type LanguageClient } from "vscode-languageclient/node";
import { type Candidate, type Place } from "./suggestion";

interface Progress {
  text: string;
  sequence: number;
  done: boolean;
  range?: LspRange;
}

interface LspRange {
  start: { line: number; character: number };
  end: { line: number; character: number };
}

/** An item as the server sends it. */
export interface Item {
  insertText: string | { value: string };
  range?: LspRange;
  command?: { title: string; command: string; arguments?: unknown[] };
  data?: { id?: string; firstTextMs?: number; totalMs?: number; source?: string };
}

const progressType = new ProgressType<Progress>();
let count = 0;

/** A request that runs until its answer comes or `cancel` is called. */
export class Stream {
  /** Best first. While the request runs, there is at most one. */
  candidates: Candidate[] = [];
  /** The candidates' items, when the answer is final. */
  items: Item[] = [];
  done = false;
  private readonly source = new vscode.CancellationTokenSource();
  private readonly waiting = new Set<() => void>();
  private latest = -1;

  constructor(
    client: LanguageClient,
    document: vscode.TextDocument,
    readonly place: Place,
    readonly context: vscode.InlineCompletionContext,
    /** Called at each growth after the first text, and at the end. */
    private readonly onGrowth: (stream: Stream) => void,
  ) {
    const token = `aix-ghost-${++count}`;
    const listener = client.onProgress(progressType, token, (value) => this.grow(value));
    const selected = context.selectedCompletionInfo;
    const params = {
      textDocument: client.code2ProtocolConverter.asTextDocumentIdentifier(document),
      position: { line: place.line, character: place.character },
      context: {
        triggerKind: context.triggerKind === vscode.InlineCompletionTriggerKind.Invoke ? 1 : 2,
        ...(selected && {
          selectedCompletionInfo: {
            range: client.code2ProtocolConverter.asRange(selected.range),
            text: selected.text,
          },
        }),
      },
      partialResultToken: token,
    };
    client
      .sendRequest<{ items: Item[] } | null>("aix/inlineCompletion", params, this.source.token)
      .then((answer) => this.finish(answer?.items ?? []))
      .catch(() => this.end())
      .finally(() => listener.dispose());
  }

  /** Resolves when there is text, when the answer has come, or when the time is up. */
  firstText(withinMs: number, token: vscode.CancellationToken): Promise<void> {
    if (this.done || this.candidates.length > 0) {
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const settle = (): void => {
        clearTimeout(timer);
        this.waiting.delete(settle);
        cancelled.dispose();
        resolve();
      };
      const timer = setTimeout(settle, withinMs);
      const cancelled = token.onCancellationRequested(settle);
      this.waiting.add(settle);
    });
  }

  /** Resolves with the final answer. */
  async finished(token: vscode.CancellationToken): Promise<void> {
    while (!this.done && !token.isCancellationRequested) {
      await new Promise<void>((resolve) => {
        const settle = (): void => {
          cancelled.dispose();
          this.waiting.delete(settle);
          resolve();
        };
        const cancelled = token.onCancellationRequested(settle);
        this.waiting.add(settle);
      });
    }
  }

  cancel(): void {
    if (!this.done) {
      this.end();
      this.source.cancel();
    }
  }

  private grow(value: Progress): void {
    if (this.done || value.sequence <= this.latest || !value.text) {
      return;
    }
    this.latest = value.sequence;
    this.candidates = [this.candidate(value.text, value.range)];
    this.settle();
  }

  private finish(items: Item[]): void {
    if (this.done) {
      return;
    }
    this.items = items.filter((item) => text(item) !== "");
    this.candidates = this.items.map((item) => this.candidate(text(item), item.range));
    this.end();
  }

  private end(): void {
    this.done = true;
    this.settle();
  }

  private settle(): void {
    const first = this.waiting.size > 0;
    for (const waiter of [...this.waiting]) {
      waiter();
    }
    if (!first) {
      this.onGrowth(this);
    }
  }

  /** A candidate relative to the place. With an entry selected in the popup, the text begins with that entry. */
  private candidate(insert: string, range: LspRange | undefined): Candidate {
    const replaced = range ? Math.max(0, range.end.character - this.place.character) : 0;
    return { text: insert, replaced };
  }
}

function text(item: Item): string {
  return typeof item.insertText === "string" ? item.insertText : item.insertText.value;
}
