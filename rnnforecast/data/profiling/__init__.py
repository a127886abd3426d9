"""Profile of a data set: coverage, grades, example series, the cleaning report."""
