"""The training loop: epochs of steps, a validation after each, and a state that can be saved after any step."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from archc.problems import Problem, SpecError
from archc.training.augment import Preparation, epoch_draws, epoch_order
from archc.training.batches import Batch, Batches, FolderBatches, epoch_rows
from archc.training.distributed import World
from archc.training.ema import Ema
from archc.training.events import Events, Interrupted, Request
from archc.training.freezing import rest
from archc.training.hooks import Hooks, measured
from archc.training.layout import lay_out, planes
from archc.training.loss import CrossEntropy, Loss, Outputs, heads_of, make_criterion
from archc.training.meter import Meter, Score
from archc.training.mix import mix_draws, mixed
from archc.training.model import has_unused
from archc.training.optimizer import make_optimizer, make_schedule
from archc.training.parallel import parallel, state_of, take_state
from archc.training.progress import Progress
from archc.training.randaugment import operation_draws
from archc.training.recipe import Recipe
from archc.training.run_folder import RunFolder, best_of, figures_of
from archc.training.task import MASKS, Task
from archc.training.unreadable import no_image_read, of_all_processes
from archc.training.validation import autocast, evaluation_rows
from archc.training.writer import snapshot

_LOOK = 0.5
"""Seconds between two checks of the losses during an epoch, because a check waits for the device."""

_SHARE = 0.01
"""The largest share of the time that checkpoints take while a run goes on, and the same for reports."""

_FIRST = 0.01, 2e-9
"""The expected seconds of the first checkpoint: of any, and for each byte."""

_SIGNALS = {Request.INTERRUPT: signal.SIGINT, Request.TERMINATE: signal.SIGTERM}


class Loop:
    """The training of a network. `step` counts all steps, `at` the steps of the current epoch; both start at 0."""

    def __init__(
        self,
        model: nn.Module,
        frozen: list[nn.Module],
        outputs: Outputs,
        train: Batches,
        validation: Batches,
        preparation: Preparation,
        task: Task,
        hooks: Hooks,
        class_weights: Tensor | None,
        recipe: Recipe,
        world: World,
        folder: RunFolder,
        progress: Progress,
        title: str,
    ) -> None:
        self.recipe, self.world, self.folder, self.progress = recipe, world, folder, progress
        self.train, self.validation, self.preparation = train, validation, preparation
        self.model, self.frozen = lay_out(model, recipe, world.device), frozen
        size = preparation.channels, preparation.height, preparation.width
        self.forward = parallel(self.model, recipe, world, lambda: has_unused(self.model, size, frozen, outputs))
        self.ema = Ema(self.model, recipe.ema) if recipe.ema else None
        self.mixes = recipe.mixup > 0 or recipe.cutmix > 0
        self.task, self.hooks, self.figures = task, hooks, (*task.figures, *hooks.metrics)
        partial = isinstance(train, FolderBatches)
        criterion = make_criterion(task, hooks.loss, recipe.label_smoothing, partial, class_weights)
        self.loss = Loss(criterion, recipe.auxiliary_weight, outputs)
        self.plain = make_criterion(task, hooks.loss, 0.0, True, None)  # for validation: without smoothing and weights
        self.steps = len(self._rows(0))
        self.optimizer = make_optimizer(self.model, recipe)
        self.schedule = make_schedule(self.optimizer, recipe, self.steps)
        self.highest = list(self.schedule.base_lrs)  # the learning rates that the schedule multiplies, one per group
        self.scaler = torch.amp.GradScaler(world.device.type, enabled=recipe.precision == "fp16")
        self.events = Events(world, recipe.checkpoint_steps, recipe.checkpoint_minutes)
        self.title = title
        self.copying = 0.0  # seconds that the last copy of the state took
        self.reporting = 0.0  # seconds that the last reports took
        self.reported = -math.inf  # when they were written
        self.epoch, self.step, self.at = 0, 0, 0
        self.meter = Meter(world.device, self.steps, self.figures)
        self.seconds = 0.0  # of the current epoch, before it was resumed
        self.since = time.perf_counter()  # the end of the last row
        self.saving = 0.0  # seconds since then for checkpoints and reports
        self.stopped = False  # by the callback
        self.best: dict[str, Any] | None = None  # the best weights, if they aren't written yet, or are to be loaded
        self.rows: list[dict[str, float]] = []
        self.losses: list[Tensor] = []  # one tensor per epoch, with the loss of each step

    def run(self) -> None:
        """Train to the last epoch. Raises Interrupted, or SpecError if the loss isn't finite."""
        if self.rows and self._done():
            self._report()  # the previous process may have been killed between checkpoint and report
        with self.events.listening(), planes(self.model, self.recipe, self.world.device):
            self.since = time.perf_counter() - self.seconds
            while not self._done():
                self._train()
                trained = time.perf_counter() - self.since - self.saving
                self.progress.validate()
                scores = self._evaluate(self.validation, self.ema.model if self.ema else self.model)
                self._close_epoch(scores, trained)
        self.world.on_first(self.folder.settle)

    def _train(self) -> None:
        """Run the remaining steps of an epoch."""
        left = self._rows(self.epoch)[self.at :]
        draws = epoch_draws(self.recipe.seed, self.epoch, len(self.train))
        if self.mixes:
            draws = torch.cat([draws, mix_draws(self.recipe, self.epoch, len(self.train))], 1)
        if self.recipe.randaugment:
            draws = torch.cat([draws, operation_draws(self.recipe.seed, self.epoch, len(self.train))], 1)
        self.progress.begin(self.epoch, self.at, self.steps)
        self.model.train()
        rest(self.frozen)
        looked = time.monotonic()
        batches = self.train.of([rows for rows, _ in left], draws)
        for batch, (_, size) in zip(batches, left, strict=True):
            self._step(batch, size)
            self.at += 1
            self.step += 1
            finite = True
            if time.monotonic() - looked >= _LOOK:
                finite = self.meter.first_not_finite() is None
                self.progress.look(self.at, self.meter.read(), self.recipe.batch_size)
                looked = time.monotonic()
            self._act(self.events.after_step(finite))

    def _step(self, batch: Batch, size: int) -> None:
        """Run one step of the optimizer; `size` is the number of images of the batch in all processes."""
        parts = list(zip(*(tensor.chunk(self.recipe.accumulate) for tensor in batch), strict=True))
        total = torch.zeros((), device=self.world.device)
        for number, (pixels, labels, draws, here) in enumerate(parts):
            images = self.preparation.training(pixels, draws, here)
            if self.task is MASKS:
                labels = self.preparation.masks(labels, draws)
            mixture = mixed(images, labels, draws) if self.mixes else None
            images = mixture.images if mixture else images
            with self._synchronised(number == len(parts) - 1):
                with autocast(self.recipe, self.world.device):
                    loss, scores = self.loss(self.forward(images), labels, mixture)
                # Gradients are averaged over processes, so a part is weighted by its number of images.
                share = len(labels) * self.world.size / size
                torch.autograd.backward(self.scaler.scale(loss if share == 1 else loss * share))
            self.meter.add(loss, self._measured(scores, labels), self.task.known(labels))
            total += loss.detach() if len(labels) == size else loss.detach() * (len(labels) / size)
        if self.recipe.clip_norm:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        self.schedule.step()
        if self.ema:
            self.ema.update(self.model, self.step)
        self.meter.step(total)

    def test(self, images: Batches) -> Score:
        """The loss and metrics of the best weights on test images. Every process must call it, after `take_best`."""
        with self.events.listening():
            return self._evaluate(images, self.model).read(self.world)

    def take_best(self) -> None:
        """Load the best weights into the model, in inference mode. Every process must call it."""
        state = self.world.on_first(lambda: self.best or self.folder.read_best())
        take_state(self.model, state, self.recipe.shard)
        self.best = None
        self.model.eval()

    @torch.no_grad()
    def _evaluate(self, images: Batches, model: nn.Module) -> Meter:
        """The loss and metrics of a model over all images."""
        model.eval()
        batches = evaluation_rows(len(images), self.recipe)
        # Each process gets at least one image of each batch; an image that isn't its own doesn't count.
        rows = [batch[self.world.rank :: self.world.size] for batch in batches]
        meter = Meter(self.world.device, len(rows), self.figures)
        read = images.of([own if len(own) else batches[0][:1] for own in rows], torch.empty(0))
        for own, (pixels, labels, draws, _) in zip(rows, read, strict=True):
            if self.task is MASKS:
                labels = self.preparation.masks(labels, draws)
            with autocast(self.recipe, self.world.device):
                scores = heads_of(model(self.preparation.validation(pixels)), self.loss.outputs)[0][0]
                known = self.task.known(labels) if len(own) else torch.zeros_like(self.task.known(labels))
                meter.add(self.plain(scores, labels), self._measured(scores, labels), known)
            self._act(self.events.after_step(True))
        return meter

    def _close_epoch(self, validation: Meter, trained: float) -> None:
        """Record the epoch, and save a checkpoint."""
        self._refuse_not_finite()
        train, val = self.meter.read(self.world), validation.read(self.world)
        unreadable = [of_all_processes(part.unreadable, self.world) for part in (self.train, self.validation)]
        for score, name, found in zip((train, val), ("training", "validation"), unreadable, strict=True):
            if not score.images:
                raise no_image_read(f"{name} images", found)
        if not math.isfinite(val.loss):
            raise self._not_finite(f"the validation loss became NaN or infinite after epoch {self.epoch + 1}")
        now = time.perf_counter()
        seconds = now - self.since
        row = {
            "epoch": self.epoch + 1,
            "lr": self._rate(self.step - 1),
            "train_loss": train.loss,
            **{f"train_{name}": value for name, value in train.figures.items()},
            "val_loss": val.loss,
            **{f"val_{name}": value for name, value in val.figures.items()},
            "seconds": seconds,
            "val_seconds": seconds - self.saving - trained,
            "checkpoint_seconds": self.saving,
            "images_per_second": train.images / trained,
        }
        self.rows.append(row)
        self.losses.append(self.meter.losses(self.world))
        self.epoch, self.at, self.seconds = self.epoch + 1, 0, 0.0
        self.since, self.saving = now, 0.0
        self.meter = Meter(self.world.device, self.steps, self.figures)
        if self._best() is row:
            with self._counted():
                state = state_of(self.ema.model if self.ema else self.model, self.recipe.shard)
                if self.world.first:
                    self.best = snapshot(state, self.best)  # of its own: a callback may change the model's
        if self.hooks.callback is not None:
            model = self.ema.model if self.ema else self.model
            self.stopped = any(self.world.gathered(self.hooks.callback(row, model) is True))
        if self._done() or self._checkpoint_is_due():
            self.save()
        if self._done() or time.monotonic() - self.reported >= self.reporting / _SHARE:
            self._report()
        self.progress.epoch(row, self.recipe.epochs, unreadable[0] | unreadable[1])
        if self.epoch < self.recipe.epochs and self._done():
            why = "by the callback" if self.stopped else f"no better epoch in the last {self.recipe.patience}"
            self.progress.note(f"stopped early: {why}")
        request = self.events.at_rest()
        if request in _SIGNALS and not self.events.all_saved:
            self.save()
        self._stop_if(request)

    def _checkpoint_is_due(self) -> bool:
        """Return True if a checkpoint is saved after this epoch, the same in every process."""
        every = self.recipe.checkpoint_epochs
        if every != "auto":
            return self.epoch % every == 0
        seconds = self.folder.saving_seconds + self.copying
        if not self.folder.saving_seconds:
            seconds = _FIRST[0] + _FIRST[1] * self._bytes()
        return bool(self.world.gathered(self.events.seconds_unsaved >= seconds / _SHARE)[0])

    def _bytes(self) -> int:
        """The size of a checkpoint, but for small parts."""
        moments = [value for state in self.optimizer.state.values() for value in state.values()]
        stored = [*self.model.parameters(), *self.model.buffers(), *(each for each in moments if torch.is_tensor(each))]
        return sum(tensor.numel() * tensor.element_size() for tensor in stored)

    def _done(self) -> bool:
        """Return True after the last epoch, or if the recipe's patience is exhausted."""
        if self.epoch >= self.recipe.epochs or self.stopped:
            return True
        patience = self.recipe.patience
        return bool(patience and self.rows) and self.epoch - self._best()["epoch"] >= patience

    def _stays(self) -> bool:
        """Return True if no step changes the weights anymore, so they can be written without a copy."""
        return self._done() and self.world.device.type == "cpu"

    def _best(self) -> dict[str, float]:
        return best_of(self.rows, self.recipe.best_by)

    def _measured(self, scores: Tensor, labels: Tensor) -> Tensor:
        with torch.no_grad():
            return measured(self.task, self.hooks.metrics, scores.detach(), labels)

    def _report(self) -> None:
        """Write the metrics and curves so far."""
        if not self.world.first:
            return
        start = time.monotonic()
        with self._counted():
            smoothed = self.recipe.label_smoothing > 0 and isinstance(self.loss.criterion, CrossEntropy)
            self.folder.write_metrics(self.rows)
            self.folder.write_board(self.rows, self.losses)
            self.folder.write_curves(self.title, self.rows, self._best(), self.losses, smoothed)
        self.reported = time.monotonic()
        self.reporting = self.reported - start

    # What happens between steps

    def _act(self, request: Request) -> None:
        if request is Request.GO_ON:
            return
        self.seconds = time.perf_counter() - self.since
        self._refuse_not_finite()
        if not self._done():  # a test after the last epoch uses the best weights
            self.save()
        self._stop_if(request)

    def _stop_if(self, request: Request) -> None:
        if request in _SIGNALS:
            if self.rows:
                self._report()
            self.world.on_first(self.folder.settle)
            raise Interrupted(_SIGNALS[request])

    def _refuse_not_finite(self) -> None:
        """Raise if a loss isn't finite, so that corrupted weights are never saved."""
        found = [at for at in self.world.gathered(self.meter.first_not_finite()) if at is not None]
        if not found:
            return
        step = self.step - self.at + min(found)
        at = f"step {step + 1:,} (epoch {self.epoch + 1}), learning rate {self._rate(step):.3g}"
        raise self._not_finite(f"the loss became NaN or infinite at {at}")

    def _not_finite(self, what: str) -> SpecError:
        """The error (E0707) with suggestions."""
        tries = [f"--lr {self.recipe.lr / 10:.1g}"]
        tries += ["--warmup-epochs 1"] if not self.recipe.warmup_epochs else []
        tries += ["--clip-norm 1"] if not self.recipe.clip_norm else []
        tries += ["--precision bf16 or fp32"] if self.recipe.precision == "fp16" else []
        return SpecError([Problem("E0707", what, file=str(self.folder.path), help=f"try {', or '.join(tries)}")])

    def save(self) -> None:
        """Save everything that the next step depends on, and the best weights if they are new.

        A thread writes the files.
        """
        with self._counted():
            state = self.state_dict()
            if self.world.first:
                start = time.perf_counter()
                state = state if self._stays() else snapshot(state)
                self.copying = time.perf_counter() - start
                self.folder.save(self.epoch, self.step, state, self.best)
        if not self._done():  # then `take_best` needs them
            self.best = None
        self.events.saved()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Count the duration of the block as time for checkpoints and reports."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.saving += time.perf_counter() - start

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on: tensors and plain values. Every process must call it."""
        generators = {"cpu": torch.get_rng_state()}
        if self.world.device.type == "cuda":
            generators["cuda"] = torch.cuda.get_rng_state(self.world.device)
        return {
            "epoch": self.epoch,
            "step": self.step,
            "at": self.at,
            "seconds": self.seconds,
            "model": state_of(self.model, self.recipe.shard),
            "optimizer": state_of(self.model, self.recipe.shard, self.optimizer),
            "schedule": {"last_epoch": self.schedule.last_epoch},
            "scaler": self.scaler.state_dict(),
            "ema": self.ema.state_dict() if self.ema else {},
            "generators": self.world.gathered(generators),
            "meter": self.world.gathered(self.meter.state_dict()),
            "rows": self.rows,
            "losses": self.losses,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved state, bit for bit with the same number of processes."""
        self.epoch, self.step, self.at, self.seconds = state["epoch"], state["step"], state["at"], state["seconds"]
        take_state(self.model, state["model"], self.recipe.shard)
        take_state(self.model, state["optimizer"], self.recipe.shard, self.optimizer)
        self.schedule.last_epoch = state["schedule"]["last_epoch"]
        self.schedule.base_lrs = list(self.highest)
        self.scaler.load_state_dict(state["scaler"])
        if self.ema:
            self.ema.load_state_dict(state["ema"])
        self.rows, self.losses = state["rows"], state["losses"]
        if self.rows and figures_of(self.rows[0]) != list(self.figures):
            raise ValueError(f"its metrics are {figures_of(self.rows[0])}, now {list(self.figures)}")
        rank, size = self.world.rank, self.world.size
        if len(state["generators"]) == size:
            torch.set_rng_state(state["generators"][rank]["cpu"])
            if self.world.device.type == "cuda" and "cuda" in state["generators"][rank]:
                torch.cuda.set_rng_state(state["generators"][rank]["cuda"], self.world.device)
            self.meter.load_state_dict(state["meter"][rank])
        else:
            then = len(state["generators"])
            self.progress.note(f"resumed by {size} processes what {then} started: dropout differs")
            torch.manual_seed(self.recipe.seed + self.step * size + rank)
            self.meter.load_total(state["meter"], self.world.first)

    # Small parts

    def _rows(self, epoch: int) -> list[tuple[Tensor, int]]:
        """The row numbers of this process for each step of an epoch, and the number of images of the whole step."""
        order = epoch_order(self.recipe.seed, epoch, len(self.train))
        return epoch_rows(order, self.recipe.batch_size, self.world.rank, self.world.size)

    def _rate(self, step: int) -> float:
        """The learning rate of a step."""
        return float(self.recipe.lr * self.schedule.lr_lambdas[0](step))

    def _synchronised(self, last: bool) -> AbstractContextManager[Any]:
        """Synchronize gradients between processes only with the last part of a batch."""
        if last or not hasattr(self.forward, "no_sync"):
            return nullcontext()
        context: AbstractContextManager[Any] = self.forward.no_sync()
        return context
