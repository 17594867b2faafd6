"""Pictures and clips out of simulator states, drawn in worker processes."""
