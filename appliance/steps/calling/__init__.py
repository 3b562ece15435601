"""How a step is called, what it is given, and what it answers."""
