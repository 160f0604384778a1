/** The typed array that holds values of each type. */
export const arrayTypes = {
  uint8: Uint8Array,
  int32: Int32Array,
  float32: Float32Array,
  float64: Float64Array,
};
