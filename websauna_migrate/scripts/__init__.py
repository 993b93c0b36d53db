"""The command line scripts: argv to calls to exit code. The only floor that prints and exits."""
