"""Recording: the journal of an episode, the stream it is written as, and its recovery after a crash."""
