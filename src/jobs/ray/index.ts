export { RayClient, rayToken } from './client.ts';
export { RayCluster, type RayOptions } from './cluster.ts';
export { detachJobs, type JobRow, rayStates } from './detach.ts';
export type { Code } from './entrypoint.ts';
export { RayAddressError, RayClusterError, RayLostError } from './errors.ts';
export { rayExecutor } from './executor.ts';
export { uploadProject } from './package.ts';
