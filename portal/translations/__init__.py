"""What the pages say, in other languages: docs/translate.md."""
