"""A whole training on the CPU beside a bare loop, Lightning's Trainer and Keras' fit, side by side in one run.

    python benchmarks/train_whole.py [--turns N] [--only CASE]

Everyone trains the same network with the same optimizer, batch size and precision for the same epochs, and validates
after each. The clock runs from the first step to the end, so it includes validations, checkpoints, the log and the
reports, but not the start of the process. archc, Lightning and Keras save what they save by default (Keras: the best
weights, through `ModelCheckpoint`); the bare loop saves nothing. archc and the bare loop augment the images, the
others don't. Each is a process of its own, and all take turns. The medians are compared: images a second by the clock,
and images in a second of processor time, which is the better measure on a busy machine.

Lightning and Keras take part where they are installed (`pip install lightning keras`). Exit status: 0 if every bound
holds, 1 otherwise.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from archc.cli.train_command import settle_process

if __name__ == "__main__":
    settle_process()  # as `archc train` does, for everyone
os.environ["KERAS_BACKEND"] = "torch"

import torch
from torch import Tensor, nn
from train_cpu import CPU, Bare, now

import archc
from archc.training import Images, load_recipe
from archc.training.batches import ResidentBatches, epoch_rows
from archc.training.data import load_data
from archc.training.layout import lay_out, planes
from archc.training.loop import Loop
from archc.training.optimizer import make_optimizer, make_schedule
from archc.training.recipe import Recipe
from archc.training.resolve import resolved
from archc.training.validation import autocast, evaluation_rows


class Case(NamedTuple):
    """A network, its data, the size of its images, and for how many epochs it trains."""

    network: str
    data: str
    size: int
    epochs: int


CASES = {
    "small_convnet on digits": Case("small_convnet", "digits", 8, 20),
    "AlexNet, 96 px, 256 images": Case("alexnet", "shapes:96:256", 96, 8),
    "ResNet-18, 64 px, 512 images": Case("resnet18", "shapes:64:512", 64, 6),
}

BARE_BOUND = 0.97
"""The share of the bare loop's images a second that a whole training has to reach."""


class Setting:
    """What all participants share: images, labels, recipe, and a fresh network."""

    def __init__(self, case: Case) -> None:
        data = load_data(case.data)
        assert isinstance(data.train, Images)
        assert isinstance(data.validation, Images)
        self.case, self.train, self.validation = case, data.train, data.validation
        self.size = (data.train.pixels.shape[1], case.size, case.size)
        self.classes = len(data.classes)
        self.recipe: Recipe = resolved(load_recipe("default", epochs=case.epochs), data, self.size, CPU)
        self.steps = len(epoch_rows(torch.arange(len(data.train)), self.recipe.batch_size, 0, 1))

    def network(self) -> nn.Module:
        torch.manual_seed(0)
        return archc.load(self.case.network).configure(self.size, num_classes=self.classes).build()

    def tensors(self, images: Images) -> tuple[Tensor, Tensor]:
        """float32 images (count, channels, height, width), normalized, and int64 labels."""
        channel = (1, -1, 1, 1)
        mean, std = (torch.tensor(value).view(channel) for value in (self.recipe.mean, self.recipe.std))
        return (images.pixels / 255 - mean) / std, images.labels


class InPrecision(nn.Module):
    """A network that computes in the recipe's precision and layout, for trainers that know neither."""

    def __init__(self, model: nn.Module, recipe: Recipe) -> None:
        super().__init__()
        self.model, self.recipe = model, recipe

    def forward(self, images: Tensor) -> Tensor:
        if self.recipe.channels_last:
            images = images.to(memory_format=torch.channels_last)
        with autocast(self.recipe, CPU.device):
            found: Tensor = self.model(images)
        return found.float()


def archc_run(case: Case) -> tuple[float, float]:
    """`archc.train` with its defaults."""
    began: list[tuple[float, float]] = []
    run = Loop.run

    def timed(self: Loop) -> None:
        began.append(now())
        run(self)

    Loop.run = timed  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "run")
        archc.train(case.network, case.data, "default", out=out, quiet=True, device="cpu", epochs=case.epochs)
        return since(began[0])


def bare_run(case: Case) -> tuple[float, float]:
    """The steps of the recipe and its validation, and nothing else."""
    setting = Setting(case)
    bare = Bare(setting.network(), setting.train, setting.recipe, setting.size)
    held_out = ResidentBatches(setting.validation, CPU.device)
    with planes(bare.model, setting.recipe, CPU.device):
        began = now()
        for epoch in range(case.epochs):
            bare.train(epoch)
            bare.model.eval()
            hits = torch.zeros((), dtype=torch.int64)
            with torch.inference_mode():
                rows = evaluation_rows(len(held_out), setting.recipe)
                for pixels, labels, _, _ in held_out.of(rows, torch.empty(0)):
                    with autocast(setting.recipe, CPU.device):
                        scores = bare.model(bare.preparation.validation(pixels))
                    hits += (scores.argmax(1) == labels).sum()
        return since(began)


def lightning_run(case: Case) -> tuple[float, float]:
    """Lightning's Trainer with its default log and checkpoint."""
    import lightning
    from torch.utils.data import DataLoader, TensorDataset

    setting = Setting(case)
    recipe = setting.recipe
    began: list[tuple[float, float]] = []

    class Module(lightning.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = InPrecision(lay_out(setting.network(), recipe, CPU.device), recipe)
            self.loss = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)

        def on_train_start(self) -> None:
            began.append(now())

        def training_step(self, batch: list[Tensor], _: int) -> Tensor:
            images, labels = batch
            loss: Tensor = self.loss(self.model(images), labels)
            self.log("train_loss", loss, on_step=False, on_epoch=True)
            return loss

        def validation_step(self, batch: list[Tensor], _: int) -> None:
            images, labels = batch
            self.log("accuracy", (self.model(images).argmax(1) == labels).float().mean())

        def configure_optimizers(self) -> Any:
            optimizer = make_optimizer(self.model, recipe)
            schedule = make_schedule(optimizer, recipe, setting.steps)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    size = recipe.batch_size
    train = DataLoader(TensorDataset(*setting.tensors(setting.train)), size, shuffle=True, drop_last=False)
    held_out = DataLoader(TensorDataset(*setting.tensors(setting.validation)), 2 * size)
    with tempfile.TemporaryDirectory() as folder:
        trainer = lightning.Trainer(
            max_epochs=case.epochs,
            accelerator="cpu",
            devices=1,
            default_root_dir=folder,
            gradient_clip_val=recipe.clip_norm,
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
            log_every_n_steps=50,
        )
        trainer.fit(Module(), train, held_out)
        return since(began[0])


def keras_run(case: Case) -> tuple[float, float]:
    """Keras' fit on the same network, which it wraps, and with the best weights saved."""
    import keras

    setting = Setting(case)
    recipe = setting.recipe
    began: list[tuple[float, float]] = []

    class Clock(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_begin(self, logs: Any = None) -> None:
            began.append(now())

    network = InPrecision(lay_out(setting.network(), recipe, CPU.device), recipe)
    layer = keras.layers.TorchModuleWrapper(network, output_shape=(None, setting.classes))
    inputs = keras.Input(setting.size)
    model = keras.Model(inputs, layer(inputs))
    peak = recipe.lr
    assert isinstance(peak, float)
    rate = keras.optimizers.schedules.CosineDecay(peak, setting.steps * case.epochs)
    model.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay, global_clipnorm=recipe.clip_norm),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    (images, labels), held_out = setting.tensors(setting.train), setting.tensors(setting.validation)
    with tempfile.TemporaryDirectory() as folder:
        saved = keras.callbacks.ModelCheckpoint(
            str(Path(folder, "best.weights.h5")), monitor="val_accuracy", save_best_only=True, save_weights_only=True
        )
        model.fit(
            images.numpy(),
            labels.numpy(),
            batch_size=recipe.batch_size,
            epochs=case.epochs,
            validation_data=tuple(part.numpy() for part in held_out),
            validation_batch_size=2 * recipe.batch_size,
            callbacks=[Clock(), saved],
            verbose=0,
        )
        return since(began[0])


def since(began: tuple[float, float]) -> tuple[float, float]:
    clock, processor = now()
    return clock - began[0], processor - began[1]


RUNS: dict[str, Callable[[Case], tuple[float, float]]] = {
    "bare loop": bare_run,
    "archc": archc_run,
    "lightning": lightning_run,
    "keras": keras_run,
}


def compared(name: str, turns: int) -> bool:
    """Run everyone's training of a case in turns, and print the medians. Returns True if every bound holds."""
    case = CASES[name]
    images = len(Setting(case).train) * case.epochs
    here = [run for run in RUNS if run in ("bare loop", "archc") or importlib.util.find_spec(run)]
    found: dict[str, list[tuple[float, float]]] = {run: [] for run in here}
    for _ in range(turns):
        for run in here:
            command = [sys.executable, __file__, "--run", run, "--only", name]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(done.stderr)
            found[run].append(tuple(json.loads(done.stdout.splitlines()[-1])))
    rates = {
        run: [images / statistics.median(part) for part in zip(*seconds, strict=True)] for run, seconds in found.items()
    }
    print(f"{name}, {case.epochs} epochs")
    holds = True
    for run, (clock, processor) in rates.items():
        print(f"  {run:10} {clock:9.1f} images/s, {processor:9.1f} in a second of processor time")
    for run in here:
        if run != "archc":
            bound = BARE_BOUND if run == "bare loop" else 1.0
            clock, processor = (mine / theirs for mine, theirs in zip(rates["archc"], rates[run], strict=True))
            print(f"  {'ok ' if clock >= bound else 'NOT'} archc over {run}: {clock:.2f}; by processor {processor:.2f}")
            holds &= clock >= bound
    return holds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3, help="of all of them")
    parser.add_argument("--only", choices=CASES, help="run one case")
    parser.add_argument("--run", choices=RUNS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        print(json.dumps(RUNS[given.run](CASES[given.only])))
        return 0
    load = f"load {os.getloadavg()[0]:.1f} of {os.cpu_count()}"
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {load}", flush=True)
    hold = [compared(name, given.turns) for name in ([given.only] if given.only else CASES)]
    return 0 if all(hold) else 1


if __name__ == "__main__":
    sys.exit(main())
