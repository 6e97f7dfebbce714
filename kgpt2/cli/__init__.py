"""The commands: parse, call, print. No logic, and no heavy import outside a command's body."""
