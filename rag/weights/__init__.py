"""The weights of a checkpoint as floats, whatever its family and form."""
