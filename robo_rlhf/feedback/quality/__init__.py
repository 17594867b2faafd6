"""How far answers agree, how reliable annotators are, and how both develop."""
