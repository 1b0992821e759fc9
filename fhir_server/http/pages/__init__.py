"""Pages for people, in French and English, whole without JavaScript: words in `words.py`, layout in `../templates`."""
