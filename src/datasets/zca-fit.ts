// The eigenvectors of a symmetric matrix of 3,072 x 3,072 in float64 take numpy five seconds: it does this part, in the
// Python of this project. Its few lines are a string so that they are there wherever the compiled code is.
import { spawn } from 'node:child_process';
import { setupCommand } from '../runtime/native-packages.ts';

/** What whitening needs: y = (x - mean) matrix, where x = (pixels - 127.5)/128. */
export interface ZcaFit {
  /** `[size]` */
  mean: Float32Array;
  /** `[size, size]`, symmetric: (covariance + regularization I)^(-1/2). */
  matrix: Float32Array;
}

/**
 * Images on stdin, mean and matrix on stdout. The covariance is summed in float64 by blocks: the images as float64
 * would be 1.2 GB.
 */
const PROGRAM = `
import sys
import numpy as np

size, regularization = int(sys.argv[1]), float(sys.argv[2])
images = np.frombuffer(sys.stdin.buffer.read(), np.uint8).reshape(-1, size)
mean = images.mean(axis=0, dtype=np.float64)
covariance = np.zeros((size, size))
for start in range(0, len(images), 2500):
    block = images[start : start + 2500] - mean
    covariance += block.T @ block
covariance /= len(images) * 128.0**2
eigenvalues, vectors = np.linalg.eigh(covariance)
scaled = vectors / np.sqrt(np.maximum(eigenvalues, 0) + regularization)
sys.stdout.buffer.write(((mean - 127.5) / 128).astype("<f4").tobytes())
sys.stdout.buffer.write((scaled @ vectors.T).astype("<f4").tobytes())
`;

/**
 * Fits ZCA whitening to images, as the ZCA class of https://github.com/openai/weightnorm (lasagne/nn.py): x = (pixels -
 * 127.5)/128, less its mean over the images; S = X'X/N of that; matrix = U diag((s + regularization)^(-1/2)) U', where
 * U and s are the eigenvectors and eigenvalues of S.
 *
 * @param images `[count, size]`, 0 to 255.
 * @throws Error with one line when Python is not there or fails.
 */
export async function fitZca(images: Uint8Array, size: number, regularization: number): Promise<ZcaFit> {
  // Imported here and not above, as it brings the native module of the connection to emulators.
  const { findPython } = await import('gymnasium-js-bridge');
  const output = await runPython(findPython(), [String(size), String(regularization)], images);
  const expectedBytes = 4 * (size + size * size);
  if (output.length !== expectedBytes) {
    throw new Error(
      `fitting ZCA: Python wrote ${output.length} bytes, not ${expectedBytes}; run "${setupCommand('--force')}"`,
    );
  }
  const floats = new Float32Array(
    output.buffer.slice(output.byteOffset, output.byteOffset + output.length) as ArrayBuffer,
  );
  return { mean: floats.slice(0, size), matrix: floats.slice(size) };
}

function runPython(python: string, args: string[], input: Uint8Array): Promise<Buffer> {
  const child = spawn(python, ['-I', '-c', PROGRAM, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  const output: Buffer[] = [];
  let errors = '';
  child.stdout.on('data', (chunk) => output.push(chunk));
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text;
  });
  child.stdin.on('error', () => {}); // it ended before it had read all: its exit code says so
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.once('error', (cause) => reject(new Error(`cannot start ${python}: run "${setupCommand()}"`, { cause })));
    child.once('close', (code, signal) => {
      const reason = errors.trim().split('\n').at(-1) || (signal ?? `exit code ${code}`);
      if (code === 0) resolve(Buffer.concat(output));
      else reject(new Error(`fitting ZCA with ${python} failed (${reason})`));
    });
  });
}
