// @ts-check

// Says what is being done: one line that moves on a terminal, plain lines elsewhere.

const frames = ['|', '/', '-', '\\'];
const plainIntervalMs = 10_000;

/**
 * @typedef {object} StepProgress
 * @property {(text: string, news?: boolean) => void} detail what is going on now; as news it gets a plain line at once
 * @property {() => void} done
 * @property {() => void} stop
 */

/**
 * @param {NodeJS.WriteStream} stream
 * @param {string} title what this step does
 * @returns {StepProgress}
 */
export function showStep(stream, title) {
  const startMs = performance.now();
  const elapsed = () => `${((performance.now() - startMs) / 1000).toFixed(1)} s`;
  let detail = '';
  let frame = 0;

  const drawMoving = () => {
    const text = `${frames[frame++ % frames.length]} ${title} (${elapsed()})${detail && `: ${detail}`}`;
    stream.write(`\r\x1b[K${text.slice(0, (stream.columns || 80) - 1)}`);
  };
  const writePlain = () => stream.write(`  ${detail || title} (${elapsed()})\n`);

  if (!stream.isTTY) stream.write(`${title} ...\n`);
  const timer = setInterval(stream.isTTY ? drawMoving : writePlain, stream.isTTY ? 100 : plainIntervalMs);
  const stop = () => {
    clearInterval(timer);
    if (stream.isTTY) stream.write('\r\x1b[K');
  };
  return {
    detail(text, news = false) {
      detail = text;
      if (news && !stream.isTTY) writePlain();
    },
    done() {
      stop();
      stream.write(stream.isTTY ? `* ${title} (${elapsed()})\n` : `  done (${elapsed()})\n`);
    },
    stop,
  };
}
