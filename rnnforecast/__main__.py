"""`python -m rnnforecast` is the command `rnnforecast`."""

from rnnforecast.cli.app import main

if __name__ == "__main__":
    main()
