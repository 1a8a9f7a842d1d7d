"""Files that are text: their encodings, and what marks them up."""
