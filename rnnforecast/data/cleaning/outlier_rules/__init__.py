"""Outlier rules, one file each.

A file defines ``DEFAULT_THRESHOLD``, in units of the rule's scale, and a function
``limits(history, threshold)`` that returns the lowest and the highest value that is not an outlier,
`[n]` each; NaN with too little history. A rule with the trait ``flags_nothing`` has no ``limits``.
"""
