/** Owns the ghost text: when the server is asked, what VS Code gets, and how it grows without flicker. */
import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";
import { Stream, type Item } from "./stream";
import { type Candidate, type Place, remaining, shrinks, typedSince } from "./suggestion";

/** VS Code drops an automatic request after about 750 ms; a later answer is shown by triggering again. */
const PATIENCE_MS = 600;
/** Each growth makes VS Code ask again, so it is limited to what the eye can follow. */
const GROWTH_MS = 60;
/** Tells VS Code to ask only us. Asked explicitly, it would append the new text to what it shows. */
const GROWTH = { providerId: "aix-lsp.aix-lsp:*", explicit: false };

/** The events that the ghost text reports. */
export interface Feedback {
  shown(item: Item): void;
}

export class GhostText implements vscode.Disposable {
  private stream: Stream | undefined;
  /** Where VS Code has been told to ask for text that has grown, until it does. */
  private growing: Place | undefined;
  /** Where, and in which version of the document, the user has dismissed ghost text: there it stays away. */
  private dismissed: { place: Place; version: number } | undefined;
  private registration: vscode.Disposable | undefined;
  private given = "";
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly client: LanguageClient,
    private readonly feedback: Feedback,
    private readonly trace: (text: string) => void,
  ) {}

  private async provideInlineCompletionItems(
    document: vscode.TextDocument,
    position: vscode.Position,
    context: vscode.InlineCompletionContext,
    token: vscode.CancellationToken,
  ): Promise<vscode.InlineCompletionItem[]> {
    const now = placeOf(document, position);
    if (this.growing && same(this.growing, now) && !context.selectedCompletionInfo) {
      return this.items(document, now);
    }
    const putAway = this.dismissed?.version === document.version && same(this.dismissed.place, now);
    if (putAway && context.triggerKind === vscode.InlineCompletionTriggerKind.Automatic) {
      return [];
    }
    this.dismissed = undefined;
    const invoked = context.triggerKind === vscode.InlineCompletionTriggerKind.Invoke;
    const running = this.stream;
    const useful = running && (!running.done || running.candidates.length > 0);
    if (running && useful && !invoked && !context.selectedCompletionInfo && same(running.place, now)) {
      await running.firstText(PATIENCE_MS, token);
      return token.isCancellationRequested ? [] : this.items(document, now);
    }
    const kept = context.selectedCompletionInfo || invoked ? [] : this.items(document, now);
    const stream = this.ask(document, now, context);
    if (kept.length > 0) {
      return kept;
    }
    if (invoked || !streams()) {
      await stream.finished(token);
    } else {
      await stream.firstText(PATIENCE_MS, token);
    }
    return token.isCancellationRequested ? [] : this.items(document, now);
  }

  /** Register the ghost text with VS Code, anew if it was registered before. */
  register(): void {
    const before = this.registration;
    const provider = { provideInlineCompletionItems: this.provideInlineCompletionItems.bind(this) };
    this.registration = vscode.languages.registerInlineCompletionItemProvider([{ scheme: "*" }], provider);
    before?.dispose();
  }

  /** End the running generation, and show none of it. */
  dismiss(): void {
    const editor = vscode.window.activeTextEditor;
    this.dismissed = editor && {
      place: placeOf(editor.document, editor.selection.active),
      version: editor.document.version,
    };
    this.growing = undefined;
    this.stream?.cancel();
    this.stream = undefined;
    clearTimeout(this.timer);
    this.timer = undefined;
    void vscode.commands.executeCommand("editor.action.inlineSuggest.hide");
  }

  dispose(): void {
    this.registration?.dispose();
    clearTimeout(this.timer);
    this.stream?.cancel();
  }

  /** The older request is ended after the new one is sent, so that the server can continue a generation that
   * agrees with what was typed. */
  private ask(document: vscode.TextDocument, now: Place, context: vscode.InlineCompletionContext): Stream {
    const older = this.stream;
    const kept = older && this.fitting(document, older, now);
    const stream = new Stream(this.client, document, now, context, (grown) => this.grew(grown));
    // Until the new request has text, the older one's stays visible.
    stream.candidates = context.selectedCompletionInfo ? [] : (kept ?? []);
    this.stream = stream;
    older?.cancel();
    return stream;
  }

  private grew(stream: Stream): void {
    if (stream !== this.stream) {
      return;
    }
    this.trace(`grew ${stream.done} ${JSON.stringify(stream.candidates[0]?.text)}`);
    if (stream.done) {
      this.tellShown(stream);
    }
    if (this.timer === undefined) {
      this.timer = setTimeout(() => void this.showGrown(), stream.done ? 0 : GROWTH_MS);
    }
  }

  /** Make VS Code show the text as it is now; not again while it is still doing so, or it would begin anew. */
  private async showGrown(): Promise<void> {
    this.timer = undefined;
    const place = this.growing ? undefined : this.grownPlace();
    if (!place) {
      return;
    }
    this.growing = place;
    const before = this.given;
    // VS Code does not ask a provider twice at one place, but it asks a new one, and keeps its text meanwhile.
    this.register();
    await vscode.commands.executeCommand("editor.action.inlineSuggest.trigger", GROWTH);
    if (this.growing === place) {
      this.growing = undefined;
      if (this.given !== before) {
        await this.showGrown();
      }
    }
  }

  /** The cursor, if VS Code has an older text there; after further typing, it asks anyway. */
  private grownPlace(): Place | undefined {
    const editor = vscode.window.activeTextEditor;
    const stream = this.stream;
    if (!editor || !stream || !streams() || stream.context.selectedCompletionInfo) {
      return undefined;
    }
    const now = placeOf(editor.document, editor.selection.active);
    if (!same(stream.place, now)) {
      return undefined;
    }
    const next = stream.candidates[0]?.text ?? "";
    const unchanged = next === this.given || (!stream.done && shrinks(this.given, next));
    return unchanged ? undefined : now;
  }

  /** The rest of a stream's candidates at the cursor. */
  private fitting(document: vscode.TextDocument, stream: Stream, now: Place): Candidate[] {
    const typed = typedIn(document, stream.place, now);
    if (typed === undefined) {
      return [];
    }
    const left = stream.candidates.map((candidate) => remaining(candidate, typed));
    return left.filter((candidate) => candidate !== undefined);
  }

  private items(document: vscode.TextDocument, now: Place): vscode.InlineCompletionItem[] {
    const stream = this.stream;
    if (!stream) {
      return [];
    }
    const selected = stream.context.selectedCompletionInfo;
    const at = new vscode.Position(now.line, now.character);
    if (selected && !same(stream.place, now)) {
      return [];
    }
    const left = selected ? stream.candidates : this.fitting(document, stream, now);
    this.given = left[0]?.text ?? "";
    this.trace(`given ${JSON.stringify(this.given)} at ${now.line}:${now.character}`);
    this.tellShown(stream);
    return left.map((candidate, index) => {
      const start = selected ? selected.range.start : at;
      const item = new vscode.InlineCompletionItem(
        candidate.text,
        new vscode.Range(start, at.translate(0, candidate.replaced)),
      );
      item.command = this.accepted(stream, index);
      return item;
    });
  }

  /** The item may come after the text, so it is looked up when the text is accepted. */
  private accepted(stream: Stream, index: number): vscode.Command {
    return { title: "Accepted", command: "aix-lsp.accepted", arguments: [() => stream.items[index]] };
  }

  private tellShown(stream: Stream): void {
    const item = stream.items[0];
    if (item && this.given !== "") {
      this.feedback.shown(item);
    }
  }
}

function streams(): boolean {
  return vscode.workspace.getConfiguration("aix").get<boolean>("ghost.streaming", true);
}

function placeOf(document: vscode.TextDocument, position: vscode.Position): Place {
  const line = document.lineAt(position.line).text;
  return {
    uri: document.uri.toString(),
    line: position.line,
    character: position.character,
    head: line.slice(0, position.character),
    tail: line.slice(position.character),
  };
}

function same(a: Place, b: Place): boolean {
  return a.uri === b.uri && a.line === b.line && a.head === b.head && a.tail === b.tail;
}

function typedIn(document: vscode.TextDocument, place: Place, now: Place): string | undefined {
  if (place.line >= document.lineCount) {
    return undefined;
  }
  const head = document.lineAt(place.line).text.slice(0, place.character);
  const between = (): string =>
    document.getText(new vscode.Range(place.line, place.character, now.line, now.character));
  return typedSince(place, now, head, between);
}
