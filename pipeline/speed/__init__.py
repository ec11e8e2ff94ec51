"""How fast this machine is: what `zsad plan` measures before it says what a run costs."""
