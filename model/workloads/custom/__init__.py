"""The custom kinds that the lab writes, one module per operator that serves them.

Names and nesting are those of the operators' own API types at the version of the inventory. Only the fields that the
lab uses are here: add one where it is needed, as its API type has it.
"""
