"""stage and its subcommands: the node cache."""
