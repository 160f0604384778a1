"""Makes rliable.json: what rliable (pip install rliable==1.2.0) finds for scores drawn here.

Not run by the tests, since it brings 300 MB of packages: python3 rliable_oracle.py > rliable.json
"""

import json
import sys

import numpy as np
from rliable import library, metrics


def case(name, a, b):
    statistic = {
        "mean": metrics.aggregate_mean(a),
        "median": metrics.aggregate_median(a),
        "iqm": metrics.aggregate_iqm(a),
        "improvement": metrics.probability_of_improvement(a, b),
    }

    def interval(data, function):
        _, ends = library.get_interval_estimates(
            {"x": data}, lambda *args: np.array([function(*args)]), reps=10_000, random_state=np.random.RandomState(7)
        )
        return ends["x"][:, 0].tolist()

    return {
        "name": name,
        "a": a.tolist(),
        "b": b.tolist(),
        "expected": {key: float(value) for key, value in statistic.items()}
        | {
            "iqmInterval": interval(a, metrics.aggregate_iqm),
            "improvementInterval": interval((a, b), metrics.probability_of_improvement),
        },
    }


random = np.random.default_rng(3)
cases = [
    case("3 runs of 5 environments", random.normal(1, 1, (3, 5)).round(3), random.normal(0.5, 1, (3, 5)).round(3)),
    case("5 runs of 8 environments", random.gamma(2, 1, (5, 8)).round(3), random.gamma(2, 1.3, (5, 8)).round(3)),
    case("whole scores with ties", random.integers(0, 4, (5, 4)) * 1.0, random.integers(0, 4, (5, 4)) * 1.0),
]
json.dump({"rliable": "1.2.0", "cases": cases}, sys.stdout, indent=1)
