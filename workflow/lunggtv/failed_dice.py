"""The Dice below which a draft counts as failed, everywhere."""

FAILED_DICE = 0.5  # such a draft has to be drawn anew rather than edited
