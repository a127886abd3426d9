"""Imputation methods, one file each.

A file's ``TRAITS`` are any of

===================  ==============================================================================
``masks``            the network still sees the cell as missing; the number is a stand-in
``constant``         one number for every missing cell, before the first observation too
``needs_value``      that number is `clean.fill_value`
``looks_ahead``      uses the observation after the gap, once it is known
``needs_timestamps`` uses the time of each row
``fitted``           is fitted on the training part and stored with the run
``needs_calendar``   its inputs include the cycles of the calendar
``needs_network``    is fitted by training a network: its implementation is passed in
===================  ==============================================================================

A method that is not fitted is a function ``fill(index, options)`` that returns values ``[N, C]``
for missing cells. What it returns elsewhere is ignored, and so are, unless it is ``constant``,
cells before the first observation. A method that ``looks_ahead`` fills gaps between two
observations; after the last one the last value is kept. A fitted method has ``fit`` and
``from_arrays`` instead, see `ImputerMethod`.
"""
