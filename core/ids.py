"""What identifies things: numbers and ids that no type checker lets one take for another."""

from typing import NewType

RecordNo = NewType("RecordNo", int)
"""a record's number, from 0 on; the place of its vector"""
RecordId = NewType("RecordId", str)
"""a record's id in its file"""
ModelId = NewType("ModelId", str)
JobId = NewType("JobId", str)
