export { type Batch, Batches, type BatchesOptions, type BatchesState } from './batches.ts';
export { CIFAR10_CLASSES, type Cifar10, loadCifar10 } from './cifar10.ts';
export {
  DATASETS,
  type DatasetName,
  DEFAULT_DATA_DIR,
  type DownloadDatasetOptions,
  downloadDataset,
} from './datasets.ts';
export { DownloadError } from './download.ts';
export { type LarochelleMnist, loadLarochelleMnist } from './larochelle-mnist.ts';
export { binarise, type LabelledImages, loadMnist, type Mnist } from './mnist.ts';
export { Standardise } from './standardise.ts';
export { type LoadZcaOptions, loadZca, whiteningError, type Zca } from './zca.ts';
