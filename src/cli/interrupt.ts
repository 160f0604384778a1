const SIGNALS = [
  ['SIGINT', 2],
  ['SIGTERM', 15],
] as const;

/**
 * A signal that the first Ctrl-C (SIGINT) or SIGTERM aborts, so that work can be saved; `onFirst` tells the user. The second ends the process at once.
 */
export function onInterrupt(onFirst: () => void): AbortSignal {
  const controller = new AbortController();
  for (const [name, number] of SIGNALS) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(128 + number);
      controller.abort();
      onFirst();
    });
  }
  return controller.signal;
}

/** For work of which nothing can be saved: the first Ctrl-C or SIGTERM ends this process, and with it its children. */
export function exitOnInterrupt(): void {
  for (const [name, number] of SIGNALS) process.once(name, () => process.exit(128 + number));
}
