/**
 * The one escaping printer. What another machine sent (a name, a text, a path, an error's message) goes
 * through here before a terminal, a log or a page for people shows it. Stripping escape sequences is not
 * enough: that leaves BEL, BS, CR, ESC and the characters that reverse what is shown.
 */

/**
 * Control, format (bidi among them), private use, lone surrogates, line and paragraph separators; what is drawn as nothing
 * (Hangul fillers, joiners, variation selectors, tags: `Default_Ignorable_Code_Point`); and letters and symbols that are
 * drawn blank, which no property names: Braille blank, a null note head, blank hieroglyphs, the Khitan filler.
 */
const UNPRINTABLE =
  /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u{2800}\u{1D159}\u{13441}\u{13442}\u{16FE4}]/gu;

/** Colours and weights, as `util.styleText` writes them: the only escape sequences that we ever print. */
const STYLE = /(\u001B\[[0-9;]{0,16}m)/;

/** `text` on one line, with each character that could move, hide or reverse output written as `\u{202e}`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}

/**
 * A text that we laid out ourselves: line breaks and styles pass, the rest is escaped. A second net, since
 * whatever puts a foreign string into such a text must have passed it through `printable`.
 */
export function printableLayout(text: string): string {
  return text
    .split('\n')
    .map((line) =>
      line
        .split(STYLE)
        .map((piece, index) => (index % 2 === 1 ? piece : printable(piece)))
        .join(''),
    )
    .join('\n');
}

/** JSON on one line with the same characters as `\uXXXX`: the same value for a program, safe for a terminal. */
export function printableJson(value: unknown): string {
  return printableJsonText(JSON.stringify(value) ?? 'null');
}

/** The same for JSON that is text already (without line breaks between its tokens). */
export function printableJsonText(json: string): string {
  return json.replace(UNPRINTABLE, (character) =>
    Array.from(
      { length: character.length },
      (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}
