"""What a run does with the world, one module a step: facts go to the journal, a server's failure too."""
