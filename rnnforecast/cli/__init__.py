"""The command line: speaks to people and to cron, and holds no logic."""
