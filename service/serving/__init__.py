"""Connections: what a stranger may do before a request is one."""
