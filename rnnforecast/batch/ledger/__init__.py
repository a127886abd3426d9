"""Ledgers of issued forecasts: a folder of Parquet files, or a table of a database."""
