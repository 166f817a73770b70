"""Asking Slurm: commands built and answers read apart from running them."""
