"""Output: tables, plots and pages, and the atomic writing of files and folders."""
