"""Whether an item leaves open what nothing closes, told by a small lexer: where no grammar judges.

`families` says what languages write, `modes` makes patterns of it, `scan` goes through a text with them, and
`judge` compares the file with the item and without it.
"""
