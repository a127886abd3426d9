"""Base forecasts: simple forecasts that the output of the recurrent network is added to.

A file with ``TRAITS`` in this package is a value of ``model.base_forecast``:

| trait | meaning |
| --- | --- |
| ``candidate`` | the automatic choice compares it with the others on the validation windows |
| ``window_forecast`` | it forecasts each window by itself, from values that keep level and season |
"""
