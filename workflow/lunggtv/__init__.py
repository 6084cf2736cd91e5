"""LungGTV: lung gross tumour volumes on planning CT.

Conventions that hold in every module:

* arrays are ordered ``(z, y, x)``: z grows towards the head, y towards the back, x towards the
  patient's left (LPS), after ``lunggtv.geometry`` has turned the stored axes;
* ``spacing_mm`` is always ``(z, y, x)`` too; ``origin_mm`` and ``direction`` are physical LPS;
* CT is int16 Hounsfield units, masks are uint8 with 0 and 1.

The file stays empty of code: what a stage imports is what makes it run again.
"""
