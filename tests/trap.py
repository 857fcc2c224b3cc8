"""What nobody may import: whoever does is found out."""

raise AssertionError("imported before it was refused")
