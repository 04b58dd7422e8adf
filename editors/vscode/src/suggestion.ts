/** Owns what of a suggestion is still to be typed. Pure text: knows neither VS Code nor requests. */

/** Where a suggestion was asked for: the document before and after the cursor, as far as it matters. */
export interface Place {
  uri: string;
  line: number;
  /** UTF-16 column. */
  character: number;
  /** The cursor's line before and after it. */
  head: string;
  tail: string;
}

/** One candidate: `text` goes in at its place, `replaced` characters right of it go. */
export interface Candidate {
  text: string;
  replaced: number;
}

/**
 * What was typed between a place and the cursor; undefined where the text around has changed, so that a
 * suggestion for the place says nothing about the cursor.
 *
 * @param between the text from a place to a cursor on another line, as the document has it
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

/** What is left of a candidate after `typed`; undefined where the typing went another way or nothing is left. */
export function remaining(candidate: Candidate, typed: string): Candidate | undefined {
  const text = candidate.text.replaceAll("\r\n", "\n");
  const written = typed.replaceAll("\r\n", "\n");
  if (!text.startsWith(written) || text.length === written.length) {
    return undefined;
  }
  return { text: text.slice(written.length), replaced: candidate.replaced };
}

/** Whether showing `next` in the stead of `shown` would only take something away that may still come. */
export function shrinks(shown: string, next: string): boolean {
  return shown.length > next.length && shown.startsWith(next);
}
