"""What an operator sees of a running service: metrics and traces, made of what happens at its edges. Nothing here is
asked by the stages that recognize, and nothing is imported before it is switched on."""
