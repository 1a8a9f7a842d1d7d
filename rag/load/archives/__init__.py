"""Files that hold files: zips, tars, EPUB books."""
