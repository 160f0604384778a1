/** A curve's points as columns of the same length, for charts. */
export interface CurveColumns {
  /** In the run's unit: the last of the values that a point stands for. */
  readonly position: readonly number[];
  /** Seconds that the run had taken; null where it is not known. */
  readonly wallSeconds: readonly (number | null)[];
  /** The mean of the values that a point stands for; null where none of them is finite. */
  readonly mean: readonly (number | null)[];
  /** The lowest and highest of them; absent where each point is one value. */
  readonly low?: readonly (number | null)[];
  readonly high?: readonly (number | null)[];
}

interface Bucket {
  position: number;
  wallSeconds: number | null;
  /** The sum of the finite values, and their number. */
  sum: number;
  finite: number;
  low: number;
  high: number;
  /** Values, finite or not. */
  values: number;
}

/** More would be finer than a screen. */
const MOST_POINTS = 1024;
const INFINITY = Number.POSITIVE_INFINITY;

/**
 * A curve that grows without end in little memory: once it has 1,024 points, neighbours become one, with their mean,
 * lowest and highest value, and from then on a point stands for twice as many values.
 */
export class Curve {
  private readonly buckets: Bucket[] = [];
  private valuesPerPoint = 1;

  /** @param position Rising, in the run's unit. */
  add(position: number, wallSeconds: number | null, value: number): void {
    const { buckets } = this;
    let bucket = buckets.at(-1);
    if (bucket === undefined || bucket.values === this.valuesPerPoint) {
      if (buckets.length === MOST_POINTS) this.halve();
      bucket = { position, wallSeconds, sum: 0, finite: 0, low: INFINITY, high: -INFINITY, values: 0 };
      buckets.push(bucket);
    }
    bucket.position = position;
    bucket.wallSeconds = wallSeconds ?? bucket.wallSeconds;
    bucket.values += 1;
    if (!Number.isFinite(value)) return;
    bucket.sum += value;
    bucket.finite += 1;
    bucket.low = Math.min(bucket.low, value);
    bucket.high = Math.max(bucket.high, value);
  }

  columns(): CurveColumns {
    const { buckets } = this;
    const column = (of: (bucket: Bucket) => number) => buckets.map((one) => (one.finite === 0 ? null : of(one)));
    return {
      position: buckets.map(({ position }) => position),
      wallSeconds: buckets.map(({ wallSeconds }) => wallSeconds),
      mean: column(({ sum, finite }) => sum / finite),
      ...(this.valuesPerPoint > 1 && { low: column(({ low }) => low), high: column(({ high }) => high) }),
    };
  }

  /** Makes one point of two neighbours each. All are full when this is called, and their number is even. */
  private halve(): void {
    const { buckets } = this;
    for (let i = 0; i < buckets.length / 2; i++) {
      const [first, second] = [buckets[2 * i], buckets[2 * i + 1]];
      buckets[i] = {
        position: second.position,
        wallSeconds: second.wallSeconds,
        sum: first.sum + second.sum,
        finite: first.finite + second.finite,
        low: Math.min(first.low, second.low),
        high: Math.max(first.high, second.high),
        values: first.values + second.values,
      };
    }
    buckets.length /= 2;
    this.valuesPerPoint *= 2;
  }
}
