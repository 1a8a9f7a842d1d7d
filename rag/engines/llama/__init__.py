"""llama.cpp's library, and passages in its memory."""
