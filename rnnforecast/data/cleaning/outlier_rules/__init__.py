"""Outlier rules, one file each.

A file has its ``DEFAULT_THRESHOLD`` in spreads, and a function ``fences(history, threshold)`` that
returns the lowest and highest usual value `[n]`, NaN with too little history. With the trait
``no_fences`` a rule flags nothing.
"""
