"""The optimiser loop: transformers' Trainer with our loss, our batches and our checkpoints."""

from __future__ import annotations

import math
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers
from torch.utils.data import DataLoader
from transformers.trainer_callback import ProgressCallback

from ..common.errors import UserError
from ..launch import processes
from ..launch.start import INTERRUPTED
from . import checkpoints, packing
from .batches import Batches
from .losses import Example, Loss, collate, target_loss

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

STATE = "trainer_state.json"  # transformers' name


class SftTrainer(transformers.Trainer):
    """A Trainer whose loss sums over answer tokens and whose checkpoints hold what it trains."""

    def __init__(self, loss: Loss, batches: Batches, store: checkpoints.Store | None,
                 **arguments: Any) -> None:
        super().__init__(**arguments)
        self.sum_loss, self.batches, self.store = loss, batches, store

    def get_train_dataloader(self) -> DataLoader:
        assert self.train_dataset is not None
        return DataLoader(self.train_dataset, batch_sampler=self.batches,
                          collate_fn=self.data_collator)

    def compute_loss(self, model, inputs, return_outputs=False,  # type: ignore[override]
                     num_items_in_batch=None):
        # The mean over the whole optimiser step, however many batches it accumulates. The number
        # of items is that of all processes, and their gradients are averaged, not summed.
        mean = self.sum_loss(model, inputs) / num_items_in_batch
        if processes.count() > 1:
            mean = mean * processes.count()
        return (mean, None) if return_outputs else mean

    def _wrap_model(self, model, training=True, dataloader=None):
        wrapped = super()._wrap_model(model, training, dataloader)
        if (handler := self.accelerator.ddp_handler) is not None:
            handler.gradient_as_bucket_view = True  # or every gradient would exist twice
        return wrapped

    def _maybe_log_save_evaluate(self, tr_loss, grad_norm, *others, **more):
        # Of a spread model the norm is spread too, and this process would log its part of it.
        norm = None if grad_norm is None else processes.gathered(grad_norm)
        super()._maybe_log_save_evaluate(tr_loss, norm, *others, **more)

    def trained(self) -> dict[str, Tensor]:
        """The parameters that train, by name."""
        assert self.model is not None
        return {name: parameter for name, parameter in self.model.named_parameters()
                if parameter.requires_grad}

    def _save_checkpoint(self, model, trial):
        assert self.store
        part = self.store.part(self.state.global_step)
        checkpoints.write(part, self.trained(), plain(self.optimizer), self.lr_scheduler,
                          self.batches.drawn)
        self._save_rng_state(str(part))
        if processes.first():
            self.state.save_to_json(str(part / STATE))
        self.store.add(part)

    def _load_from_checkpoint(self, resume_from_checkpoint, model=None):
        checkpoints.read_layers(Path(resume_from_checkpoint), self.trained())
        state = transformers.TrainerState.load_from_json(f"{resume_from_checkpoint}/{STATE}")
        steps = math.ceil(len(self.batches) / self.args.gradient_accumulation_steps)
        if state.global_step % steps:  # else the next pass has not been drawn yet
            self.batches.again(checkpoints.read_order(Path(resume_from_checkpoint)))

    def _load_optimizer_and_scheduler(self, checkpoint):
        if checkpoint is not None:
            checkpoints.read_optimizer(Path(checkpoint), self.trained(), plain(self.optimizer),
                                       self.lr_scheduler)


def plain(optimizer: Any) -> Any:
    """The optimiser inside accelerate's wrapper."""
    return getattr(optimizer, "optimizer", optimizer)


class Bar(ProgressCallback):
    """Shows the loss in the bar; transformers would print a line a step."""

    def on_log(self, args, state, control, logs=None, **kwargs):
        if self.training_bar and logs and "loss" in logs:
            self.training_bar.set_postfix(loss=f"{logs['loss']:.3f}")


class Saving(transformers.TrainerCallback):
    """Asks for a checkpoint every so many steps or minutes, and on SIGTERM, which also stops.

    The processes agree on it after each step, since a signal or a clock may reach only some.
    Entering it as a context listens to SIGTERM; leaving it restores what was there.
    """

    def __init__(self, steps: int, minutes: float) -> None:
        self.every, self.seconds = steps, 60 * minutes
        self.told = False
        self.last = time.monotonic()

    def __enter__(self) -> Saving:
        self.before = signal.signal(signal.SIGTERM, self.tell)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, self.before)

    def tell(self, *_: object) -> None:
        self.told = True

    def on_step_end(self, args, state, control, **kwargs):
        late = time.monotonic() - self.last >= self.seconds > 0
        due = late or (self.every > 0 and state.global_step % self.every == 0)
        due, self.told = processes.any_of(due, self.told)
        if state.global_step < state.max_steps:  # else the outputs are about to be written
            control.should_save = due or self.told
            control.should_training_stop = control.should_training_stop or self.told
        if control.should_save:
            self.last = time.monotonic()

    def refuse_half(self, step: int, last: int) -> None:
        """Raise UserError with the code INTERRUPTED where SIGTERM ended the training early."""
        if self.told and step < last:
            raise UserError(f"stopped by SIGTERM after step {step} of {last}; a checkpoint is "
                            "saved. Run the same command again to go on",
                            INTERRUPTED)


def trainer(model: PreTrainedModel, examples: list[Example], pad: int, settings: dict[str, Any],
            scratch: Path, loss: Loss = target_loss,
            store: checkpoints.Store | None = None, spread: bool = False) -> SftTrainer:
    """A Trainer of the parameters that require a gradient, on the device that holds ``model``.

    Settings are those of ``sft.train``. ``loss`` sums over the answer tokens of a batch. With
    ``spread`` no process holds the whole model, else each holds all of it.
    """
    engine = settings.get("engine", {})
    batches = Batches([len(example["input_ids"]) for example in examples], settings["batch"],
                      settings["accumulation"], processes.rank(), processes.count(),
                      engine.get("pack_tokens", 0), settings["seed"])
    arguments = transformers.TrainingArguments(
        output_dir=str(scratch), num_train_epochs=settings["epochs"],
        learning_rate=settings["lr"], lr_scheduler_type=settings["schedule"],
        warmup_ratio=settings["warmup"], weight_decay=settings["weight_decay"],
        max_grad_norm=settings["clip"], per_device_train_batch_size=settings["batch"],
        gradient_accumulation_steps=settings["accumulation"] // processes.count(),
        optim="adamw_torch_fused" if engine else "adamw_torch", seed=settings["seed"],
        data_seed=settings["seed"],
        use_cpu=model.device.type == "cpu", save_strategy="no", report_to="none",
        logging_steps=1, remove_unused_columns=False, dataloader_pin_memory=False,
        ddp_find_unused_parameters=False, disable_tqdm=not processes.first())
    precision = engine.get("precision", "float32")
    if spread or precision != "float32":  # the arguments have made the group of processes
        processes.spread(model, precision)
    together = packing.collate if batches.packs else collate
    run = SftTrainer(loss, batches, store, model=model, args=arguments, train_dataset=examples,
                     data_collator=lambda batch: together(batch, pad))
    # Adam at a rate of 1e-5 on bfloat16 weights would lose five of six updates to rounding.
    assert all(parameter.dtype == torch.float32 for parameter in run.trained().values())
    if run.pop_callback(ProgressCallback):
        run.add_callback(Bar)
    return run
