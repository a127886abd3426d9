"""Independent tasks in several processes: in this one, in local workers, or on other machines."""
