import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { packageFolder } from '../../files/package-folder.ts';
import type { RayClient } from './client.ts';
import { RayAddressError } from './errors.ts';

const run = promisify(execFile);
const MOST_BYTES = 1 << 28;

/**
 * Uploads the project as a package that Ray unpacks on each machine: what git tracks in this checkout, with changes
 * that are not committed. A package that the cluster has already is not sent again.
 * @returns Its name.
 * @throws RayAddressError where this is no checkout of git.
 */
export async function uploadProject(client: RayClient, note: (line: string) => void): Promise<string> {
  const cwd = packageFolder();
  const git = async (...args: string[]) =>
    (await run('git', args, { cwd, encoding: 'buffer', maxBuffer: MOST_BYTES })).stdout;
  const text = async (...args: string[]) => (await git(...args)).toString('utf8').trim();
  let tree: string;
  try {
    if ((await text('rev-parse', '--show-toplevel')) !== cwd)
      throw new Error('it lies in a checkout of something else');
    // A commit of what the working tree has now, that nothing points to; empty where nothing is changed.
    const commit = (await text('-c', 'user.name=ray', '-c', 'user.email=ray@localhost', 'stash', 'create')) || 'HEAD';
    tree = await text('rev-parse', `${commit}^{tree}`);
  } catch {
    throw new RayAddressError(
      `--ray: ${cwd} is no checkout of git that could be sent: name with --remote-dir a folder that all machines ` +
        'share, where the project is set up',
    );
  }
  const name = `_ray_pkg_${tree}.zip`;
  if (await client.hasPackage(name)) return name;
  const archive = await git('archive', '--format=zip', tree);
  note(`sending the project to ${client.address} (${(archive.byteLength / 1e6).toFixed(1)} MB)`);
  await client.putPackage(name, archive);
  return name;
}
