"""The review page: questions about clips, asked one after another."""
