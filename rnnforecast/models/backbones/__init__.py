"""Recurrent nets, one file each; the file's name is the name in the spec."""
