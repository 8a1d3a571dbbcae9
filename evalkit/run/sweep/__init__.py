"""Settings of one mode: screened on few prompts and cases, the best of them decided on fresh ones as modes are."""
