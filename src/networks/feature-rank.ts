// How many directions the features of a network span.

/** The singular values that are left out may add up to this share of all of them. */
const LEFT_OUT = 0.01;

/**
 * The effective rank of features (Kumar et al. 2021, arXiv:2010.14498, "srank" with delta 0.01): the least number of
 * their singular values that add up to 99 % of all of them.
 * @param features [examples, units], row after row. At most the smaller of the two can come out.
 */
export function featureRank(features: ArrayLike<number>, units: number): number {
  const values = singularValues(features, units);
  const wanted = (1 - LEFT_OUT) * values.reduce((sum, value) => sum + value, 0);
  let sum = 0;
  let rank = 0;
  while (sum < wanted && rank < values.length) sum += values[rank++];
  return rank;
}

/** The singular values of a matrix [rows, columns], the largest first, to about 1e-8 of the largest. */
export function singularValues(matrix: ArrayLike<number>, columns: number): number[] {
  const { diagonal, beside } = tridiagonal(products(matrix, columns));
  return eigenvalues(diagonal, beside)
    .map((value) => Math.sqrt(Math.max(0, value)))
    .reverse();
}

/** The products of all rows with each other, or of all columns where there are fewer of them. */
function products(matrix: ArrayLike<number>, columns: number): Float64Array[] {
  const rows = matrix.length / columns;
  const [count, length] = rows <= columns ? [rows, columns] : [columns, rows];
  const [step, along] = rows <= columns ? [columns, 1] : [1, columns];
  const result = Array.from({ length: count }, () => new Float64Array(count));
  for (let i = 0; i < count; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let k = 0; k < length; k++) sum += matrix[i * step + k * along] * matrix[j * step + k * along];
      result[i][j] = sum;
      result[j][i] = sum;
    }
  }
  return result;
}

/** The tridiagonal matrix with the eigenvalues of a symmetric one, which is overwritten, by Householder reflections. */
function tridiagonal(a: Float64Array[]): { diagonal: number[]; beside: number[] } {
  const n = a.length;
  const beside: number[] = [];
  // What is below this is rounding. Reflected again and again it would shrink until its square is no number above 0.
  const negligible = Number.EPSILON * Math.max(...a.map((row, i) => Math.abs(row[i])));
  for (let k = 0; k < n - 1; k++) {
    const v = Float64Array.from({ length: n }, (_, i) => (i > k ? a[i][k] : 0));
    const length = Math.hypot(...v);
    if (length <= negligible) {
      beside.push(0);
      continue;
    }
    const reflected = v[k + 1] > 0 ? -length : length;
    beside.push(reflected);
    v[k + 1] -= reflected;
    const square = v.reduce((sum, x) => sum + x * x, 0);
    // With P = I - 2 v v'/(v'v) the matrix becomes P A P = A - v w' - w v'.
    const w = Float64Array.from({ length: n }, (_, i) => (2 / square) * dot(a[i], v, k + 1));
    const half = dot(w, v, k + 1) / square;
    for (let i = k + 1; i < n; i++) w[i] -= half * v[i];
    for (let i = k + 1; i < n; i++) for (let j = k + 1; j < n; j++) a[i][j] -= v[i] * w[j] + w[i] * v[j];
  }
  return { diagonal: a.map((row, i) => row[i]), beside };
}

function dot(a: Float64Array, b: Float64Array, from: number): number {
  let sum = 0;
  for (let i = from; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/**
 * The eigenvalues of a symmetric tridiagonal matrix, the smallest first, by bisection of how many are below a value.
 */
function eigenvalues(diagonal: readonly number[], beside: readonly number[]): number[] {
  const n = diagonal.length;
  const radius = diagonal.map((_, i) => Math.abs(beside[i - 1] ?? 0) + Math.abs(beside[i] ?? 0));
  const least = Math.min(...diagonal.map((value, i) => value - radius[i]));
  const largest = Math.max(...diagonal.map((value, i) => value + radius[i]));
  const tiny = Number.EPSILON * Math.max(Math.abs(least), Math.abs(largest), Number.MIN_VALUE);
  const below = (x: number) => {
    let count = 0;
    let pivot = 1;
    for (let i = 0; i < n; i++) {
      pivot = diagonal[i] - x - (i > 0 ? beside[i - 1] ** 2 / pivot : 0);
      if (pivot === 0) pivot = tiny;
      if (pivot < 0) count += 1;
    }
    return count;
  };
  return diagonal.map((_, index) => {
    let [low, high] = [least, largest];
    while (high - low > tiny) {
      const middle = (low + high) / 2;
      if (middle <= low || middle >= high) break;
      if (below(middle) > index) high = middle;
      else low = middle;
    }
    return (low + high) / 2;
  });
}
