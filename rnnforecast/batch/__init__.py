"""What a scheduled job needs around a workflow, such as a lock on its run folder."""
