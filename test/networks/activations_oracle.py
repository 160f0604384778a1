"""What units do, in float64: dormant shares, singular values and effective ranks of the matrices on standard input."""

import json
import sys

import numpy as np

question = json.load(sys.stdin)
answer = {"singularValues": [], "ranks": [], "dormant": []}
for matrix in question["matrices"]:
    values = np.linalg.svd(np.array(matrix), compute_uv=False)
    share = np.cumsum(values) / values.sum() if values.sum() > 0 else np.ones_like(values)
    answer["singularValues"].append(values.tolist())
    answer["ranks"].append(int((share < 0.99).sum() + 1) if values.sum() > 0 else 0)
for activations in question["activations"]:
    a = np.abs(np.array(activations))
    activity = a.reshape(-1, a.shape[-1]).mean(0)
    answer["dormant"].append(float((activity <= 0.025 * activity.mean()).mean()))
json.dump(answer, sys.stdout)
