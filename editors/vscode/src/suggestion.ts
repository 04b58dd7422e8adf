/** Finds the part of a suggestion that is still to be typed. Pure: knows neither VS Code nor requests. */

/** Where a suggestion was requested: the document before and after the cursor, as far as it matters. */
export interface Place {
  uri: string;
  line: number;
  /** UTF-16 column. */
  character: number;
  /** The cursor's line before and after it. */
  head: string;
  tail: string;
}

/** A candidate: `text` is inserted at its place, and `replaced` characters right of it are removed. */
export interface Candidate {
  text: string;
  replaced: number;
}

/**
 * The text typed between a place and the cursor; undefined if the text around it has changed, so that a
 * suggestion for the place says nothing about the cursor.
 *
 * @param between the document's text from a place to a cursor on another line
 */
export function typedSince(
  place: Place,
  now: Place,
  firstHead: string,
  between: () => string,
): string | undefined {
  if (place.uri !== now.uri || place.tail !== now.tail || firstHead !== place.head) {
    return undefined;
  }
  if (now.line < place.line || (now.line === place.line && now.character < place.character)) {
    return undefined;
  }
  return between();
}

/** What is left of a candidate after `typed`; undefined if the two disagree or nothing is left. */
export function remaining(candidate: Candidate, typed: string): Candidate | undefined {
  const text = candidate.text.replaceAll("\r\n", "\n");
  const written = typed.replaceAll("\r\n", "\n");
  if (!text.startsWith(written) || text.length === written.length) {
    return undefined;
  }
  return { text: text.slice(written.length), replaced: candidate.replaced };
}

/** Whether showing `next` instead of `shown` would only take something away that may still come. */
export function shrinks(shown: string, next: string): boolean {
  return shown.length > next.length && shown.startsWith(next);
}
