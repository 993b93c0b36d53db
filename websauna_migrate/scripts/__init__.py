"""The command line scripts: argv to calls to exit code. The only wing that prints and exits."""
