# SPDX-License-Identifier: Apache-2.0
"""Train a quantum layer to tell handwritten 3s from 8s, all circuits of a training step at once.

The 8x8 images of scikit-learn's digits become four numbers each (principal components). These turn four
qubits, four weights turn them again, and a classical head reads what is measured. Gradients come from
parameter shifts: a step on 20 images is 20 x (1 + 2 x 4) = 180 circuits, and one composite job. A classical
layer with as many weights is trained by the same loop, for comparison.

By default the service is emulated, with a round trip of 0.15 s and 3 s for each circuit; it runs as many at
once as it is given, as a simulator in the cloud may. With --no-mock circuits go to your account
(IONQ_API_KEY) and to the target that IONQ_TARGET names, after you have seen what that costs. A machine runs
one circuit at a time: what is saved there is the waiting between circuits, and not the circuits' own time.

    pip install 'qiskit-parallel-ionq[examples]'
    python image_classification.py --quick-test
"""

import argparse
import time
from dataclasses import dataclass, field

import matplotlib as mpl
import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

from qiskit_parallel_ionq import ParallelIonQProvider
from qiskit_parallel_ionq.primitives import EstimatorV2

mpl.use("Agg")
from matplotlib import pyplot as plt

WIDTH = 4
"""Qubits, numbers of an image, weights, and outputs of a layer."""
TWO_DIGITS = 3, 8


def digits(train, test, seed):
    """Return images (of 64 pixels) and labels (0 or 1) to train with, and others to test with."""
    images, names = load_digits(return_X_y=True)
    chosen = np.isin(names, TWO_DIGITS)
    images, labels = images[chosen] / 16, (names[chosen] == TWO_DIGITS[1]).astype(int)
    return train_test_split(
        images, labels, train_size=train, test_size=test, random_state=seed, stratify=labels
    )


def four_numbers(images, others):
    """Return what tells images apart the most, as angles. Others are not looked at to find it."""
    components = PCA(WIDTH).fit(images)
    numbers, more = components.transform(images), components.transform(others)
    scale = 0.7 / numbers.std(axis=0)
    return numbers * scale, more * scale


class QuantumLayer:
    """Four numbers turn four qubits, their neighbours join in, four weights turn them; <Z> is measured."""

    name = "quantum layer"
    circuits_per_image = 1 + 2 * WIDTH  # with the slopes

    def __init__(self, estimator):
        self.estimator = estimator
        self.observables = ["I" * (WIDTH - 1 - k) + "Z" + "I" * k for k in range(WIDTH)]
        self.numbers, self.weights = ParameterVector("number", WIDTH), ParameterVector("weight", WIDTH)
        self.circuit = QuantumCircuit(WIDTH, name="digit")
        for qubit, number in enumerate(self.numbers):
            self.circuit.ry(np.pi / 2 - number, qubit)  # <Z> = sin(number)
        for qubit in range(WIDTH):
            self.circuit.cz(qubit, (qubit + 1) % WIDTH)
        for qubit, weight in enumerate(self.weights):
            self.circuit.ry(weight, qubit)

    def measure(self, numbers, sets):
        """Return <Z> for each image, set of weights and qubit: one composite job, however many they are."""
        each, every = np.broadcast_arrays(numbers[:, None, None], sets[None, :, None])
        values = {tuple(self.numbers): each, tuple(self.weights): every}
        return self.estimator.run([(self.circuit, self.observables, values)]).result()[0].data.evs

    def forward(self, numbers, weights):
        """Return the outputs: shape (images, outputs)."""
        return self.measure(numbers, weights[None])[:, 0]

    def slopes(self, numbers, weights):
        """Return the outputs, and how they change with each weight: shape (images, weights, outputs)."""
        quarter = np.pi / 2 * np.eye(WIDTH)
        sets = np.vstack([weights, weights + quarter, weights - quarter])
        outputs = self.measure(numbers, sets)
        return outputs[:, 0], (outputs[:, 1 : WIDTH + 1] - outputs[:, WIDTH + 1 :]) / 2


class ClassicalLayer:
    """As many weights, and no qubits: each number is weighed and bent."""

    name = "classical layer"
    circuits_per_image = 0

    def forward(self, numbers, weights):
        """Return the outputs: shape (images, outputs)."""
        return np.tanh(numbers * (1 + weights))

    def slopes(self, numbers, weights):
        """Return the outputs, and how they change with each weight: shape (images, weights, outputs)."""
        outputs = self.forward(numbers, weights)
        return outputs, ((1 - outputs**2) * numbers)[:, :, None] * np.eye(WIDTH)


class Adam:
    """Steps along gradients: as far as they agree, and of much the same length for each weight."""

    def __init__(self, size, rate):
        self.rate, self.steps = rate, 0
        self.mean, self.square = np.zeros(size), np.zeros(size)

    def step(self, gradient):
        """Return the change of what the gradient is of."""
        self.steps += 1
        self.mean = 0.9 * self.mean + 0.1 * gradient
        self.square = 0.99 * self.square + 0.01 * gradient**2
        mean, square = self.mean / (1 - 0.9**self.steps), self.square / (1 - 0.99**self.steps)
        return -self.rate * mean / (np.sqrt(square) + 1e-8)


@dataclass
class History:
    """What happened while a layer was trained."""

    losses: list = field(default_factory=list)  # of each batch
    seconds: list = field(default_factory=list)  # of each batch
    accuracies: list = field(default_factory=list)  # on unseen images, before and after each epoch
    epochs: list = field(default_factory=list)  # seconds of each, with its test


def train(layer, data, options):
    """Train a layer and the logistic head above it, tell how it goes, and return the history."""
    numbers, unseen, labels, answers = data
    rng = np.random.default_rng(options.seed)
    weights, head = rng.uniform(-0.5, 0.5, WIDTH), np.zeros(WIDTH + 1)
    adam, history = Adam(len(weights) + len(head), options.rate), History()

    def probability(outputs):
        return 1 / (1 + np.exp(-(outputs @ head[:-1] + head[-1])))

    def accuracy():
        return np.mean((probability(layer.forward(unseen, weights)) > 0.5) == answers)

    history.accuracies.append(accuracy())
    print(f"\n{layer.name}: {history.accuracies[0]:.1%} of {len(answers)} unseen images before training")
    batches = max(1, len(labels) // options.batch_size)
    for epoch in range(1, options.epochs + 1):
        started = time.perf_counter()
        for batch, chosen in enumerate(np.array_split(rng.permutation(len(labels)), batches), 1):
            began = time.perf_counter()
            outputs, slopes = layer.slopes(numbers[chosen], weights)
            likely, wanted = probability(outputs), labels[chosen]
            error = (likely - wanted) / len(wanted)  # how the loss changes with what goes into the head
            of_weights = np.einsum("i,iwo,o->w", error, slopes, head[:-1])
            of_head = np.append(error @ outputs, error.sum())
            change = adam.step(np.concatenate([of_weights, of_head]))
            weights, head = weights + change[:WIDTH], head + change[WIDTH:]
            history.losses.append(-np.mean(np.log(np.where(wanted, likely, 1 - likely) + 1e-9)))
            history.seconds.append(time.perf_counter() - began)
            if layer.circuits_per_image:
                print(
                    f"  epoch {epoch}/{options.epochs}, batch {batch}/{batches}: "
                    f"loss {history.losses[-1]:.3f}, {len(chosen) * layer.circuits_per_image} circuits in "
                    f"{history.seconds[-1]:.1f} s",
                    flush=True,
                )
        history.accuracies.append(accuracy())
        history.epochs.append(time.perf_counter() - started)
        print(
            f"  epoch {epoch}/{options.epochs}: loss {np.mean(history.losses[-batches:]):.3f}, "
            f"{history.accuracies[-1]:.1%} of unseen, {history.epochs[-1]:.1f} s",
            flush=True,
        )
    return history


def one_batch(layer, numbers, rng):
    """Return the circuits that a batch is without its gradient, one for each image."""
    circuits = []
    for row in numbers:
        values = {layer.numbers: row, layer.weights: rng.uniform(-0.5, 0.5, WIDTH)}
        circuits.append(layer.circuit.assign_parameters(values))
        circuits[-1].measure_all()
    return circuits


def agreed(backend, circuits, options):
    """Say what the training will cost, and return whether that is agreed."""
    count = (
        options.epochs * options.train * QuantumLayer.circuits_per_image + (options.epochs + 1) * options.test
    )
    count += options.timed + len(circuits)
    each = backend.estimate_cost(circuits, shots=options.shots, circuits_per_job=options.circuits_per_job)
    print(f"target {backend.ionq_target}: {count:,} circuits of {options.shots} shots")
    print(f"estimate of the service: {each.total / len(circuits) * count:,.2f} {each.unit}")
    return input("Send them? [yes/no] ").strip().lower() == "yes"


def timings(backend, circuits, options):
    """Return seconds for each circuit one after the other, and for all at once."""
    began = time.perf_counter()
    few = circuits[: options.timed]
    backend.run(few, shots=options.shots, use_parallel=False, circuits_per_job=1).result()
    between = time.perf_counter()
    backend.run(circuits, shots=options.shots, use_parallel=True).result()
    return (between - began) / len(few), time.perf_counter() - between


def plot(histories, baselines, alone, options):
    """Save loss, accuracy and times as a picture, in colours that everybody can tell apart."""
    colours = {"quantum layer": "#0072B2", "classical layer": "#E69F00"}
    marks = {"quantum layer": "o", "classical layer": "s"}
    figure, (losses, accuracies, times) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    for name, history in histories.items():
        style = {"color": colours[name], "label": name, "lw": 2}
        losses.plot(range(1, len(history.losses) + 1), history.losses, "-", **style)
        epochs = range(len(history.accuracies))
        accuracies.plot(epochs, np.array(history.accuracies) * 100, marks[name] + "-", **style)
    for (name, value), line in zip(baselines.items(), (":", "--", "-."), strict=True):
        accuracies.axhline(100 * value, color="#555555", ls=line, lw=1.5, label=name)
    losses.set(title="Training", xlabel="batch", ylabel="loss (cross entropy)", ylim=(0, None))
    accuracies.set(title="Unseen images", xlabel="epoch", ylabel="told right (%)", ylim=(0, 102))
    accuracies.set_xticks(range(options.epochs + 1))
    losses.legend(frameon=False)
    accuracies.legend(frameon=False, loc="lower right", fontsize="small")
    quantum = histories.get("quantum layer")
    if quantum:
        circuits = options.batch_size * QuantumLayer.circuits_per_image
        times.bar(range(1, len(quantum.seconds) + 1), quantum.seconds, color=colours["quantum layer"])
        mean = np.mean(quantum.seconds)
        times.axhline(mean, color="#555555", ls="--", lw=1.5)
        times.set(title=f"A batch: {circuits} circuits", xlabel="batch", ylabel="seconds")
        times.set_ylim(0, 1.5 * max(quantum.seconds))
        told = f"mean {mean:.1f} s"
        if alone:
            told += f"\none after the other: about {alone * circuits:,.0f} s (extrapolated)"
        times.text(0.03, 0.96, told, transform=times.transAxes, va="top")
    else:
        times.set_visible(False)
    for axes in (losses, accuracies, times):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(options.plot, dpi=150)
    plt.close(figure)


def read_options():
    """Return what the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick-test", action="store_true", help="few images and epochs: about two minutes")
    parser.add_argument("--no-mock", action="store_true", help="your IonQ account instead of the emulator")
    parser.add_argument("--no-quantum", action="store_true", help="the classical layer only")
    parser.add_argument("--sequential", action="store_true", help="one circuit after the other: takes hours")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--batch-size", type=int, default=20)
    parser.add_argument("--train", type=int, help="images to train with")
    parser.add_argument("--test", type=int, help="images to test with")
    parser.add_argument("--rate", type=float, default=0.2, help="of learning")
    parser.add_argument("--shots", type=int, default=500, help="of a circuit; the simulator is exact")
    parser.add_argument("--max-workers", type=int, default=10, help="requests under way at once")
    parser.add_argument("--circuits-per-job", type=int, default=1, help="more cost less on a machine")
    parser.add_argument("--timed", type=int, default=3, help="circuits timed one after the other; 0: none")
    parser.add_argument("--execution-time", type=float, default=3.0, help="of an emulated circuit, seconds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plot", default="image_classification.png", help="where the picture is saved")
    options = parser.parse_args()
    few, many = {"epochs": 3, "train": 80, "test": 60}, {"epochs": 5, "train": 200, "test": 150}
    for name, value in (few if options.quick_test else many).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def train_quantum(data, options):
    """Train the quantum layer; return its history, and what `timings` says of one batch of images."""
    emulated = {"seed": options.seed, "round_trip": 0.15, "execution_time": options.execution_time}
    provider = ParallelIonQProvider() if options.no_mock else ParallelIonQProvider.local(**emulated)
    with provider:
        backend = provider.get_backend(
            "ionq_parallel",
            max_workers=options.max_workers,
            circuits_per_job=options.circuits_per_job,
            use_parallel=not options.sequential,
        )
        layer = QuantumLayer(EstimatorV2(backend, {"default_precision": options.shots**-0.5}))
        batch = one_batch(layer, data[0][: options.batch_size], np.random.default_rng(options.seed))
        if options.no_mock and not agreed(backend, batch, options):
            raise SystemExit("Nothing was sent.")
        alone, together = timings(backend, batch, options) if options.timed else (None, None)
        return train(layer, data, options), alone, together


def tell(histories, baselines, alone, together, options):
    """Print what came of it."""
    print(f"\n{'':40}{'unseen':>8}{'s a batch':>12}{'s an epoch':>12}")
    for name, history in histories.items():
        times = f"{np.mean(history.seconds):12.4f}{np.mean(history.epochs):12.4f}"
        print(f"{name + ' (4 weights) and head (5)':40}{history.accuracies[-1]:8.1%}{times}")
    for name, value in baselines.items():
        print(f"{name:40}{value:8.1%}")
    print(f"(95 % of {options.test} images are 95 ± {100 * (0.95 * 0.05 / options.test) ** 0.5:.0f} %.)")
    if alone:
        print(f"\nOne after the other takes {alone:.2f} s a circuit ({options.timed} were timed), so that")
        gradient = options.batch_size * QuantumLayer.circuits_per_image
        for count, took in (
            (options.batch_size, together),
            (gradient, np.mean(histories[QuantumLayer.name].seconds)),
        ):
            print(
                f"  {count:4} circuits would take {alone * count:.0f} s (extrapolated) and took {took:.1f} s "
                f"at once: {alone * count / took:.0f} times faster"
            )
        print(
            "How fast a quantum layer can be trained is what this shows, and not that it should be:\n"
            "support vectors on the same four numbers do as well in milliseconds."
        )


def main():
    """Train, compare, and draw."""
    options = read_options()
    images, others, labels, answers = digits(options.train, options.test, options.seed)
    numbers, unseen = four_numbers(images, others)
    data = numbers, unseen, labels, answers
    baselines = {
        f"{name}, {what}": model.fit(known, labels).score(asked, answers)
        for name, model, what, known, asked in (
            ("logistic regression", LogisticRegression(), "the same 4 numbers", numbers, unseen),
            ("support vectors", SVC(), "the same 4 numbers", numbers, unseen),
            ("support vectors", SVC(), "all 64 pixels", images, others),
        )
    }
    histories, alone, together = {}, None, None
    if not options.no_quantum:
        histories[QuantumLayer.name], alone, together = train_quantum(data, options)
    histories[ClassicalLayer.name] = train(ClassicalLayer(), data, options)
    tell(histories, baselines, alone, together, options)
    plot(histories, baselines, alone, options)
    print(f"The picture is in {options.plot}.")


if __name__ == "__main__":
    main()
