"""How often the answers are right, branch by branch."""
