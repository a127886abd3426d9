"""What the command `doctor` looks at: the machine, and the places of a job or a run."""
