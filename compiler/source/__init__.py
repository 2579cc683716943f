"""The front end: reads YAML with positions, resolves `extends` and `--set`, and reports problems with carets."""
