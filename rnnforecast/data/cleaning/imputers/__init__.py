"""Imputation methods, one file each.

The ``TRAITS`` of a method are zero or more of

===================  ==============================================================================
``value``            no imputation: the value of a step without one, set before all other steps of
                     cleaning (see `data.panel.fill_by_rule`); what is missing for another reason,
                     such as an outlier, is as with ``mask``
``masks``            the network still sees the cell as missing; the number is a placeholder
``constant``         one number for every missing cell, before the first observation too
``needs_value``      that number is `clean.fill_value`
``looks_ahead``      uses the observation after the gap, once it is known
``needs_timestamps`` uses the timestamp of each row
``fitted``           is fitted to the training part and stored with the run
``needs_calendar``   its inputs include the cycles of the calendar
``needs_network``    is fitted by training a network: its implementation is passed in
===================  ==============================================================================

A method that is neither a ``value`` nor ``fitted`` is a function ``fill(index, options)`` that
returns ``[N, C]`` values of missing cells; other cells are ignored, and without ``constant`` also
those before the first observation. With ``looks_ahead``, ``fill`` is used for gaps between two
observations only; after the last observation the last value is kept. A fitted method has ``fit``
and ``from_arrays`` instead, see `ImputerMethod`.
"""
