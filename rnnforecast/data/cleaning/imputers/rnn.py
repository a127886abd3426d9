"""A small recurrent network that is trained on hidden observations and reads both sides of a gap.

The data layer trains no networks: the `ImputerMethod` is passed to `fit_cleaning_plan` and
`CleaningPlan.from_json`.
"""

TRAITS = ("fitted", "looks_ahead", "needs_network")
