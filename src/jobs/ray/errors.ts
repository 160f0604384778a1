/** What `--ray` names does not serve: nothing answers there, it is not Ray, or it wants another token. One line. */
export class RayAddressError extends Error {
  override readonly name = 'RayAddressError';
}

/** A cluster that answered before does so no more, or refuses what it is asked for. One line. */
export class RayLostError extends Error {
  override readonly name = 'RayLostError';
}

/** No machine of the cluster can run a job as asked, such as one without Node.js. One line. */
export class RayClusterError extends Error {
  override readonly name = 'RayClusterError';
}
