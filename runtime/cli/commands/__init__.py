"""One module a command; `registry.COMMANDS` lists them."""
