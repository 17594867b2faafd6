"""Who is asked which question next: questions, leases, repeats, gold questions and submission."""
