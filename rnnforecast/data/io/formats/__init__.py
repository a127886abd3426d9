"""File formats, one a module, with ``LABEL``, ``EXTENSIONS``, ``SIGNATURE`` and ``open_table``.

``open_table(source, data)`` returns a `TableReader`. ``SIGNATURE`` holds the
first bytes of all files of the format; the format with the trait ``text`` has none.
"""
