"""Assignment of questions to annotators: leases, repeats, gold questions and submission."""
