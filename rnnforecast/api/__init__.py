"""The Python API: workflows on data frames and files, offered by `import rnnforecast`."""
