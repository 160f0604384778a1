"""ZCA whitening in float64, step by step as the ZCA class of openai/weightnorm (lasagne/nn.py), which takes an SVD.

Arguments: a file of unsigned bytes, elements of one image, the regularization. Writes JSON: the whitened images,
how far any element of their covariance is from I, and how far the regularization lets it be.
"""

import json
import sys

import numpy as np

path, size, regularization = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
images = np.fromfile(path, np.uint8).reshape(-1, size)
x = (-127.5 + images.astype(np.float64)) / 128.0
x -= x.mean(axis=0)
u, s, _ = np.linalg.svd(x.T @ x / len(x))
matrix = u @ np.diag(1.0 / np.sqrt(s + regularization)) @ u.T
white = x @ matrix
answer = {
    "white": white.ravel().tolist(),
    "identity_error": np.abs(white.T @ white / len(x) - np.eye(size)).max(),
    "expected_error": regularization / (s.min() + regularization),
}
print(json.dumps(answer))
