"""TSGM (Nikitin et al. 2024): its variational autoencoder by convolutions, as in its tutorial, and its TimeGAN (Yoon et al. 2019)."""

from __future__ import annotations

import os
import time
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tsgm
from peer import epochs_within, scale, serve

VAE_EPOCHS, GAN_EPOCHS = 1_000, 10_000
"""Passes of the autoencoder in TSGM's tutorial; steps of each of TimeGAN's phases in its own paper."""


class Until(keras.callbacks.Callback):
    """Ends a training when its time is over."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.end, self.passes = time.perf_counter() + seconds, 0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Look at the clock."""
        self.passes = epoch + 1
        self.model.stop_training = time.perf_counter() > self.end


def fit(windows: np.ndarray, model: str, *, seconds: float) -> tuple[Any, Any]:
    """`vae` or `timegan`, as many epochs as fit."""
    keras.utils.set_random_seed(0)
    x, back = scale(windows)
    _, length, columns = x.shape
    start = time.perf_counter()
    if model == "vae":
        shape = tsgm.models.zoo["vae_conv5"](length, columns, 10)
        made = tsgm.models.cvae.BetaVAE(shape.encoder, shape.decoder)
        made.compile(optimizer=keras.optimizers.Adam(learning_rate=0.0003))
        until = Until(seconds)
        made.fit(x, epochs=VAE_EPOCHS, batch_size=64, callbacks=[until], verbose=0)
        note = "" if until.passes == VAE_EPOCHS else f"{until.passes} of {VAE_EPOCHS:,} epochs"
        return (made, back), (note, time.perf_counter() - start)

    def one(epochs: int) -> Any:
        gan = tsgm.models.timeGAN.TimeGAN(seq_len=length, module="gru", hidden_dim=24, n_features=columns, n_layers=3, batch_size=128)
        gan.compile()
        gan.fit(x, epochs=epochs)
        return gan

    def few(epochs: int) -> Any:  # a step is an epoch there, and building takes longer than one
        return one(20 * epochs)

    made, note, spent = epochs_within(few, seconds, GAN_EPOCHS // 20)
    if note:
        taken = int(note.split()[0]) * 20
        note = f"{taken:,} of {GAN_EPOCHS:,} steps"
    return (made, back), (note, spent)


def draw(made: Any, rows: int) -> np.ndarray:
    """Windows float [rows, length, columns]."""
    model, back = made
    return back(np.asarray(model.generate(rows))[:rows])


if __name__ == "__main__":
    serve(fit, draw)
