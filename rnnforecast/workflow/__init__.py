"""One verb a file: what the commands do, without a word to the screen."""
