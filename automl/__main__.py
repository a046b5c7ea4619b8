"""`python -m automl`: the command line without the installed script."""

from automl.cli import main

if __name__ == "__main__":
    main()
