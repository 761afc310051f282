"""What it means: run store, intervals, figures, report and the command line."""
