"""The workbook that a statistician fills in: written from the data, read back into a data pack, and what the filled numbers changed.

``rows.csv`` beside this file says which numbers stand on which sheet; it holds no number of the model, only the keys of its rows.
"""
