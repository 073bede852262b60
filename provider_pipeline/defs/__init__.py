"""All that imports Dagster: assets, checks, jobs, schedules, sensors and resources; `definitions` assembles them."""
