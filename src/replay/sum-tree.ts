/**
 * Weights that add up: each change and each search takes a number of steps that is logarithmic in the number of leaves
 * (Schaul et al. 2016, appendix B.2.1). Every sum is worked out anew from its two parts, so the tree is a function of
 * its leaves alone, bit for bit.
 */
export class SumTree {
  /** How many leaves there are. */
  readonly size: number;
  /** The root is at 1, the parts of i at 2 i and 2 i + 1, the leaves at the end. */
  private readonly sums: Float64Array;

  constructor(size: number) {
    this.size = size;
    this.sums = new Float64Array(2 * size);
  }

  /** The sum of all weights. */
  get total(): number {
    return this.sums[1];
  }

  get(leaf: number): number {
    return this.sums[this.size + leaf];
  }

  /** @param weight A finite number, 0 or more. */
  set(leaf: number, weight: number): void {
    const { sums } = this;
    let i = this.size + leaf;
    sums[i] = weight;
    for (i >>>= 1; i >= 1; i >>>= 1) sums[i] = sums[2 * i] + sums[2 * i + 1];
  }

  /**
   * The leaf that a point falls on, where the leaves' weights lie side by side on a line from 0 to `total`, in an order
   * that stays the same. Never one of weight 0, whatever rounding does, unless all are.
   */
  find(point: number): number {
    const { sums, size } = this;
    let rest = point;
    let i = 1;
    while (i < size) {
      const left = sums[2 * i];
      if (rest < left || sums[2 * i + 1] === 0) i = 2 * i;
      else {
        rest -= left;
        i = 2 * i + 1;
      }
    }
    return i - size;
  }
}
