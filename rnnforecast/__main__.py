"""Entry point of `python -m rnnforecast`."""

from rnnforecast.cli.app import main

if __name__ == "__main__":
    main()
