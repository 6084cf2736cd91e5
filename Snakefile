"""LungGTV, run from its own folder; other workflows use workflow/Snakefile as a module. See README.md."""


include: "workflow/Snakefile"


# Included rules set no default target.
workflow.default_target = "all"
