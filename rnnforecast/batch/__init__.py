"""What a nightly job needs around a workflow."""
