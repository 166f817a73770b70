"""Who is asking: users by an issuer's token, nodes by their own signature. Tenancy comes from nowhere else."""
