"""Where tumours grow, what comes with them, and the peculiarities of a patient or scan."""

SOLITARY = "solitary"
PLEURAL = "pleural"
HILAR = "hilar"
MEDIASTINAL = "mediastinal"
SITES = (SOLITARY, PLEURAL, HILAR, MEDIASTINAL)

SPICULATED = "spiculated"
CAVITY = "cavity"
NODE = "node"
ATELECTASIS = "atelectasis"
SUPRACLAVICULAR = "supraclavicular"
FEATURES = (SPICULATED, CAVITY, NODE, ATELECTASIS, SUPRACLAVICULAR)

VARIANTS = (
    "arms_down",
    "closed_airway",
    "collapsed_lung",
    "consolidation",
    "contrast",
    "effusion",
    "joined_lungs",
    "lungless",
    "missing_lung",
    "no_apices",
    "no_bases",
    "sharp_kernel",
)
