"""Reports of a run as Word and Excel files: one document model, built from a stored run and its data, written in two formats."""
