import { realpath } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { replaceFileWith } from '../files/atomic.ts';
import { withFile } from '../files/errors.ts';
import { resolveInside } from '../files/inside.ts';
import { listRunFiles } from '../runs/contents.ts';
import { RunFolder } from '../runs/folder.ts';
import { MetricsFollower } from '../runs/follow-metrics.ts';
import { type Tracker, tolerant } from '../runs/tracker.ts';
import { reportOfRun } from './page.ts';

const FILE = 'report.html';

/**
 * Writes the report of a run into its folder, in place of an earlier one.
 * @returns Its path.
 * @throws RunFolderError, DamagedFileError for a folder that says of no run what it is; FileError where it cannot be
 *   written.
 */
export async function writeRunReport(runDir: string): Promise<string> {
  const folder = RunFolder.open(runDir);
  const description = await folder.describe();
  const path = await realpath(runDir);
  const metrics = new MetricsFollower(join(path, 'metrics.jsonl'));
  if ((await resolveInside(path, join(path, 'metrics.jsonl'))) !== undefined) await metrics.update();
  const pictures = await listRunFiles(path, 'pictures', ['.png', '.gif']);
  const page = await reportOfRun({ name: basename(path), path, description, metrics, pictures });
  const file = join(runDir, FILE);
  await withFile(file, 'it cannot be written', () => replaceFileWith(file, (handle) => handle.writeFile(page)));
  return file;
}

/**
 * Writes the report when the run ends, whichever way. Trouble with it does not end the run.
 * @param note Hears of such trouble, in one line.
 */
export function reportAtEnd({ path }: RunFolder, note: ((line: string) => void) | undefined): Tracker {
  let hasBegun = false;
  const tracker: Tracker = {
    onStep() {
      hasBegun = true;
    },
    async close() {
      if (hasBegun) await writeRunReport(path);
    },
  };
  return tolerant(tracker, `writing ${FILE}`, note);
}
