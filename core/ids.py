"""The ids that cross seams, each a type of its own, so that one is never taken for another."""

from typing import NewType

RecordNo = NewType("RecordNo", int)
"""a record's row in the vectors and its key in the database; numbers of erased records are not used again"""
RecordId = NewType("RecordId", str)
"""as the file that brought the record names it"""
ModelId = NewType("ModelId", str)
"""of a model, which is that of the job that trained it"""
JobId = NewType("JobId", str)
"""of a job, which is the name of its bundle's folder"""
