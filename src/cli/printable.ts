/**
 * A text that a terminal prints and obeys in nothing: control characters, which names and messages of others can hold,
 * become `\u001b` and the like; line breaks and tabs stay. In JSON that is the same text.
 */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}

/** Tells the user something on standard error, a line. */
export function say(line: string): void {
  process.stderr.write(`${printable(line)}\n`);
}
