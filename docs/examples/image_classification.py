# SPDX-License-Identifier: Apache-2.0
"""Train a small quantum layer to tell handwritten-like digits apart, all circuits of a step at once.

8x8 images of a 0 and a 1, drawn here with noise, become four numbers each; these turn four qubits, four
weights turn them again, and a classical head reads what is measured. Gradients come from parameter shifts, so
that one step of 20 images is 180 circuits: one composite job. Runs on the emulator; ``--account`` uses yours,
on the simulator of the service. ``--quick`` is a short run.
"""

import argparse
import time

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.primitives import EstimatorV2

WIDTH = 4
SHIFTS = np.vstack([np.zeros(WIDTH), np.pi / 2 * np.eye(WIDTH), -np.pi / 2 * np.eye(WIDTH)])


def digits(count, rng):
    """Return noisy 8x8 images and their labels: a ring, or a stroke, somewhere and somehow leaning."""
    rows, columns = np.mgrid[0:8, 0:8]
    labels = rng.integers(0, 2, count)
    images = np.empty((count, 8, 8))
    for image, label in zip(images, labels, strict=True):
        y, x = 3.5 + rng.normal(0, 0.5, 2)
        across = columns - x + rng.normal(0, 0.25) * (rows - y)
        ring = np.abs(np.hypot(across / 0.8, rows - y) - 2.8)
        stroke = np.abs(across) + 2 * (np.abs(rows - y) > 3.5)
        image[:] = np.exp(-((stroke if label else ring) ** 2)) + rng.normal(0, 0.35, (8, 8))
    return images.reshape(count, -1), labels


def circuit():
    """Return the quantum layer: features first, weights after, in the order of their names."""
    features, weights = ParameterVector("a_feature", WIDTH), ParameterVector("b_weight", WIDTH)
    layer = QuantumCircuit(WIDTH, name="digit")
    for qubit in range(WIDTH):
        layer.ry(features[qubit], qubit)
    for qubit in range(WIDTH):
        layer.cx(qubit, (qubit + 1) % WIDTH)
    for qubit in range(WIDTH):
        layer.ry(weights[qubit], qubit)
    return layer


def sure(logits):
    """Return the probability of a 1."""
    return 1 / (1 + np.exp(-logits))


class Classifier:
    """The quantum layer and its head, trained together."""

    def __init__(self, estimator, rng):
        self.estimator, self.layer = estimator, circuit()
        self.observables = ["I" * (WIDTH - 1 - k) + "Z" + "I" * k for k in range(WIDTH)]
        self.weights = rng.uniform(-0.5, 0.5, WIDTH)
        self.head = rng.normal(0, 0.5, WIDTH + 1)

    def measure(self, features, weights):
        """Return <Z> of each qubit: shape (images, sets of weights, qubits); one composite job."""
        images, sets = np.broadcast_arrays(features[:, None], weights[None])
        values = np.concatenate([images, sets], axis=2)[:, :, None]
        return self.estimator.run([(self.layer, self.observables, values)]).result()[0].data.evs

    def step(self, features, labels, rate):
        """Go down the gradient of one batch; return the loss before."""
        read = self.measure(features, self.weights + SHIFTS)
        now = np.c_[read[:, 0], np.ones(len(labels))]
        known = sure(now @ self.head)
        slope = (read[:, 1 : WIDTH + 1] - read[:, WIDTH + 1 :]) / 2  # by image, weight, qubit
        error = (known - labels) / len(labels)
        self.weights -= rate * np.einsum("i,iwq,q->w", error, slope, self.head[:WIDTH])
        self.head -= rate * error @ now
        return -np.mean(np.log(np.where(labels, known, 1 - known) + 1e-9))

    def accuracy(self, features, labels):
        """Return the share of images told right."""
        read = self.measure(features, self.weights[None])[:, 0]
        return np.mean((np.c_[read, np.ones(len(labels))] @ self.head > 0) == labels)


def classical_accuracy(features, labels, others, answers):
    """Return what a logistic regression on the same four numbers makes of it."""
    head = np.zeros(WIDTH + 1)
    table = np.c_[features, np.ones(len(labels))]
    for _ in range(500):
        head -= 0.5 * (sure(table @ head) - labels) @ table / len(labels)
    return np.mean((np.c_[others, np.ones(len(answers))] @ head > 0) == answers)


def timing():
    """Compare one circuit after the other with all at once, with times as the service has them."""
    with ParallelIonQProvider.local(seed=2, round_trip=0.15, execution_time=0.5) as provider:
        backend = provider.get_backend("ionq_parallel", max_workers=20)
        batch = [circuit().assign_parameters(np.full(2 * WIDTH, 0.1 * k)) for k in range(20)]
        for each in batch:
            each.measure_all()
        began = time.perf_counter()
        backend.run(batch[:3], use_parallel=False).result()
        before = (time.perf_counter() - began) / 3 * len(batch)
        began = time.perf_counter()
        backend.run(batch).result()
        after = time.perf_counter() - began
    print("\nA batch of 20 circuits, 0.5 s each to execute and 0.15 s away:")
    print(f"  before: {before:5.1f} s, one after the other (3 were timed, 20 are extrapolated)")
    print(f"  after:  {after:5.1f} s, all at once: {before / after:.0f} times faster")


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--quick", action="store_true", help="a short run")
parser.add_argument("--epochs", type=int, default=15)
parser.add_argument("--batch-size", type=int, default=20)
parser.add_argument("--no-quantum", action="store_true", help="the classical baseline only")
parser.add_argument("--account", action="store_true", help="your IonQ account instead of the emulator")
asked = parser.parse_args()

rng = np.random.default_rng(11)
(images, labels), (unseen, answers) = digits(60, rng), digits(40, rng)
mean = images.mean(axis=0)
axes = np.linalg.svd(images - mean)[2][:WIDTH]  # the four directions in which images differ most
spread = ((images - mean) @ axes.T).std(axis=0)
features, others = (((each - mean) @ axes.T) / spread for each in (images, unseen))
print(f"classical, same four numbers: {classical_accuracy(features, labels, others, answers):.0%} of unseen")

if not asked.no_quantum:
    with ParallelIonQProvider() if asked.account else ParallelIonQProvider.local(seed=1) as provider:
        backend = provider.get_backend("ionq_parallel", max_workers=20, circuits_per_job=20)
        model = Classifier(EstimatorV2(backend), rng)
        print(f"quantum, before training:     {model.accuracy(others, answers):.0%} of unseen")
        for epoch in range(2 if asked.quick else asked.epochs):
            began, losses = time.perf_counter(), []
            order = rng.permutation(len(labels))
            for chosen in np.array_split(order, max(1, len(order) // asked.batch_size)):
                losses.append(model.step(features[chosen], labels[chosen], rate=1.0))
                told = f"epoch {epoch + 1}, batch {len(losses)}: loss {losses[-1]:.3f}"
                print(told, end="\r", flush=True)
            print(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}, {time.perf_counter() - began:.1f} s      ")
        print(f"quantum, after training:      {model.accuracy(others, answers):.0%} of unseen")
    print("The layer learns. It is no better than the classical one, and nobody should expect that here.")
    timing()
