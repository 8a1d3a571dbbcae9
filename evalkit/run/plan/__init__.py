"""The timed requests: their order, their execution, when to look, and the pilot that sizes them."""
