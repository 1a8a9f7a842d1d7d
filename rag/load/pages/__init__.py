"""Files that are pages to look at: PDF and images, with OCR."""
