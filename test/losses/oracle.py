"""Reference values for the functions of src/losses: the papers' definitions in float64, one number at a time.

Reads a JSON list of cases on stdin, {"kind", "settings", "tensors", "differentiated", "weights"}, and writes a JSON
list of {"value", "gradients"} on stdout. `gradients` are those of sum(value x weights) with respect to the tensors
named in `differentiated`, by central differences. Written from the papers, not from the TypeScript.
"""

import json
import sys
from math import exp, log

import numpy as np

STEP = 1e-6


def softmax(logits):
    largest = max(logits)
    powers = [exp(x - largest) for x in logits]
    return [power / sum(powers) for power in powers]


def first_largest(values):
    return max(range(len(values)), key=lambda a: (values[a], -a))


def atoms_of(settings):
    """Bellemare et al. 2017, section 4.1."""
    v_min, v_max, count = settings["vMin"], settings["vMax"], settings["atoms"]
    return [v_min + i * (v_max - v_min) / (count - 1) for i in range(count)]


def greedy_actions(_settings, t):
    return [first_largest(row) for row in t["actionValues"]]


def values_of(_settings, t):
    return [row[a] for row, a in zip(t["actionValues"], t["actions"], strict=True)]


def q_learning_targets(_settings, t):
    """Mnih et al. 2015, algorithm 1; van Hasselt et al. 2016, equation 4, where there are `choosingValues`."""
    choosing = t.get("choosingValues", t["nextValues"])
    rows = zip(t["returns"], t["discounts"], t["nextValues"], choosing, strict=True)
    return [r + discount * q[first_largest(c)] for r, discount, q, c in rows]


def huber(error, threshold):
    if abs(error) <= threshold:
        return error**2 / 2
    return threshold * (abs(error) - threshold / 2)


def huber_case(settings, t):
    return [huber(error, settings["threshold"]) for error in t["errors"]]


def squared_case(_settings, t):
    return [error**2 for error in t["errors"]]


def distributions_of(_settings, t):
    return values_of(None, {"actionValues": t["distributions"], "actions": t["actions"]})


def support_atoms(settings, _t):
    return atoms_of(settings)


def expected_values(settings, t):
    z = atoms_of(settings)
    return [[sum(p * zi for p, zi in zip(softmax(row), z, strict=True)) for row in rows] for rows in t["logits"]]


def project_distribution(settings, t):
    """Bellemare et al. 2017, algorithm 1, with the probability kept where a shifted atom falls on an atom."""
    z = atoms_of(settings)
    v_min, v_max, dz = settings["vMin"], settings["vMax"], z[1] - z[0]
    projections = []
    for p, r, discount in zip(t["probabilities"], t["returns"], t["discounts"], strict=True):
        m = [0.0] * len(z)
        for p_j, z_j in zip(p, z, strict=True):
            shifted = min(max(r + discount * z_j, v_min), v_max)
            b = min((shifted - v_min) / dz, len(z) - 1)
            lower = int(b)
            m[lower] += p_j * (lower + 1 - b)
            if lower + 1 < len(z):
                m[lower + 1] += p_j * (b - lower)
        projections.append(m)
    return projections


def categorical_cross_entropy(_settings, t):
    """Bellemare et al. 2017, algorithm 1."""
    losses = []
    for logits, m in zip(t["logits"], t["targets"], strict=True):
        largest = max(logits)
        log_sum = largest + log(sum(exp(x - largest) for x in logits))
        losses.append(-sum(m_i * (x - log_sum) for m_i, x in zip(m, logits, strict=True)))
    return losses


def quantile_midpoints(settings, _t):
    """Dabney et al. 2018 (QR-DQN), lemma 2: (tau_{i - 1} + tau_i) / 2, where tau_i = i / N."""
    count = settings["count"]
    return [((i - 1) / count + i / count) / 2 for i in range(1, count + 1)]


def quantile_targets(_settings, t):
    rows = zip(t["returns"], t["discounts"], t["nextQuantiles"], strict=True)
    return [[r + discount * theta for theta in quantiles] for r, discount, quantiles in rows]


def quantile_huber_loss(settings, t):
    """Dabney et al. 2018b (IQN), equation 3: 1 / N' times the sum over i and j. kappa = 0: QR-DQN, equation 8."""
    kappa = settings["kappa"]
    losses = []
    for b, (estimates, targets) in enumerate(zip(t["estimates"], t["targets"], strict=True)):
        taus = t["taus"] if np.ndim(t["taus"]) == 1 else t["taus"][b]
        loss = 0.0
        for tau, estimate in zip(taus, estimates, strict=True):
            for target in targets:
                u = target - estimate
                below = 1 if u < 0 else 0
                if kappa == 0:
                    loss += u * (tau - below)
                else:
                    loss += abs(tau - below) * huber(u, kappa) / kappa
        losses.append(loss / len(targets))
    return losses


def scaled_log_policy(settings, t):
    tau = settings["temperature"]
    policies = []
    for q in t["actionValues"]:
        largest = max(q)
        log_sum = log(sum(exp((x - largest) / tau) for x in q))
        policies.append([tau * ((x - largest) / tau - log_sum) for x in q])
    return policies


def soft_values(settings, t):
    """Vieillard et al. 2020, equation 1: sum_a pi (q - tau log pi)."""
    tau = settings["temperature"]
    values = []
    for q, log_policy in zip(t["actionValues"], scaled_log_policy(settings, t), strict=True):
        values.append(sum(exp(lp / tau) * (x - lp) for x, lp in zip(q, log_policy, strict=True)))
    return values


def munchausen_targets(settings, t):
    """Vieillard et al. 2020, equation 2."""
    log_policies = scaled_log_policy(settings, {"actionValues": t["values"]})
    soft = soft_values(settings, {"actionValues": t["nextValues"]})
    rows = zip(t["returns"], t["discounts"], t["actions"], log_policies, soft, strict=True)
    return [
        r + settings["alpha"] * min(max(log_policy[a], settings["clipMin"]), 0) + discount * value
        for r, discount, a, log_policy, value in rows
    ]


def munchausen_quantile_targets(settings, t):
    """Vieillard et al. 2020, appendix B.1: soft targets for each quantile of the next state."""
    temperature = settings["temperature"]
    log_policies = scaled_log_policy(settings, {"actionValues": t["values"]})
    next_log_policies = scaled_log_policy(settings, {"actionValues": t["nextValues"]})
    targets = []
    for b, (r, discount, a) in enumerate(zip(t["returns"], t["discounts"], t["actions"], strict=True)):
        bonus = settings["alpha"] * min(max(log_policies[b][a], settings["clipMin"]), 0)
        policy = softmax([q / temperature for q in t["nextValues"][b]])
        quantiles = t["nextQuantiles"][b]
        targets.append(
            [
                r
                + bonus
                + discount
                * sum(p * (theta[j] - lp) for p, theta, lp in zip(policy, quantiles, next_log_policies[b], strict=True))
                for j in range(len(quantiles[0]))
            ]
        )
    return targets


def categorical_entropy(_settings, t):
    return [-sum(p * log(p) for p in row if p > 0) for row in t["probabilities"]]


def lambda_returns(settings, t):
    """The forward view: the mean of the n-step returns with weights (1 - lambda) lambda^(n - 1).

    The longest n-step return, up to the end of the rollout or to a truncation, has the weight that is left.
    """
    lam = settings["lambda"]
    rewards, discounts, values = t["rewards"], t["discounts"], t["nextValues"]
    steps, lanes = len(rewards), len(rewards[0])
    returns = [[0.0] * lanes for _ in range(steps)]
    for lane in range(lanes):
        for start in range(steps):
            total, weight = 0.0, 1.0
            reward_sum, discount = 0.0, 1.0
            for step in range(start, steps):
                reward_sum += discount * rewards[step][lane]
                discount *= discounts[step][lane]
                n_step_return = reward_sum + discount * values[step][lane]
                if step == steps - 1 or ("truncated" in t and t["truncated"][step][lane]):
                    total += weight * n_step_return
                    break
                total += weight * (1 - lam) * n_step_return
                weight *= lam
            returns[start][lane] = total
    return returns


KINDS = {
    "greedyActions": greedy_actions,
    "valuesOf": values_of,
    "qLearningTargets": q_learning_targets,
    "huber": huber_case,
    "squared": squared_case,
    "distributionsOf": distributions_of,
    "supportAtoms": support_atoms,
    "expectedValues": expected_values,
    "projectDistribution": project_distribution,
    "categoricalCrossEntropy": categorical_cross_entropy,
    "quantileMidpoints": quantile_midpoints,
    "quantileTargets": quantile_targets,
    "quantileHuberLoss": quantile_huber_loss,
    "scaledLogPolicy": scaled_log_policy,
    "softValues": soft_values,
    "munchausenTargets": munchausen_targets,
    "munchausenQuantileTargets": munchausen_quantile_targets,
    "categoricalEntropy": categorical_entropy,
    "lambdaReturns": lambda_returns,
}


def solve(case):
    forward, settings, tensors = KINDS[case["kind"]], case["settings"], case["tensors"]
    weights = np.array(case["weights"])
    gradients = {}
    for name in case["differentiated"]:
        point = np.array(tensors[name], dtype=np.float64)
        gradient = np.empty(point.shape)
        for index in np.ndindex(point.shape):
            sides = []
            for sign in (1, -1):
                moved = point.copy()
                moved[index] += sign * STEP
                value = np.array(forward(settings, {**tensors, name: moved.tolist()}))
                sides.append((value * weights).sum())
            gradient[index] = (sides[0] - sides[1]) / (2 * STEP)
        gradients[name] = gradient.tolist()
    return {"value": forward(settings, tensors), "gradients": gradients}


json.dump([solve(case) for case in json.load(sys.stdin)], sys.stdout)
