"""The command line: parses arguments, prints results, sets exit codes."""
