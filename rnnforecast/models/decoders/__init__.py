"""Decoders: maps from the encoder output to one vector for each patch of the horizon.

A decoder returns `[B, J, K]`: J patches of `steps_per_patch` forecast steps each, with
J * steps_per_patch >= H; an output layer maps each patch to its steps. A file with ``TRAITS`` in
this package is a value of ``model.decoder``:

| trait | meaning |
| --- | --- |
| ``autoregressive`` | each patch reads the patch before: true in training, forecast afterwards |
| ``carries_state`` | it continues the backbone from the state after the lookback |
| ``forks_windows`` | it is trained on a window for each patch of the lookback |
"""
