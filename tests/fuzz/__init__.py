"""Whatever bytes a study file, a data file or a record holds: one of our errors, or a result; never anything else."""
