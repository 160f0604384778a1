/** After a request to stop, what is under way gets this long; then it is left. */
const STOP_GRACE_MS = 3000;

/**
 * Calls `leave` a few seconds after `signal` is aborted: environments that hang must not keep a command from stopping.
 * @returns A function that forgets about it, for when the work is done.
 */
export function afterGrace(signal: AbortSignal | undefined, leave: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const onAbort = () => {
    timer = setTimeout(leave, STOP_GRACE_MS);
  };
  if (signal?.aborted) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  return () => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  };
}
