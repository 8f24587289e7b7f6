"""`python -m tutordex_analysis` is the command `tutordex-analysis`."""

from tutordex_analysis.cli import main

if __name__ == "__main__":
    main()
