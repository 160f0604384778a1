import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

const COUNT_TAGS = `
import collections, json, sys, xml.etree.ElementTree as tree
tags = (element.tag.split('}')[-1] for element in tree.fromstring(sys.stdin.read()).iter())
print(json.dumps(collections.Counter(tags)))
`;

/** How often each tag occurs, as Python's XML parser sees it; fails where the text is not well-formed. */
export function tagCounts(text: string): Record<string, number> {
  const python = fileURLToPath(new URL('../../.venv/bin/python', import.meta.url));
  const { status, stdout, stderr } = spawnSync(python, ['-c', COUNT_TAGS], { input: text, encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  return JSON.parse(stdout);
}
