"""Start the web page over the documents in data/: `python app.py`, settings as for `rag`."""

from rag.cli import main

if __name__ == "__main__":
    raise SystemExit(main(["ui"]))
