"""File formats, one a file: its ``LABEL``, ``EXTENSIONS``, ``SIGNATURE`` and ``open_table``.

``open_table(source, separator=..., encoding=...)`` returns a `TableReader`. ``SIGNATURE`` is what
the bytes of such a file begin with; the format with the trait ``text`` has none.
"""
