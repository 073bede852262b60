"""SQL that is too long to sit in Python: one statement per `.sql` file, with `:name` parameters.

Here: the statements and how they are read. Not here: the schema (`sql/`), and what the statements are for, which the
module that runs each of them explains.
"""

import functools
from importlib.resources import files

from sqlalchemy import TextClause, text


@functools.cache
def statement(name: str) -> TextClause:
    """The statement in the file of that name."""
    return text(files(__name__).joinpath(f"{name}.sql").read_text(encoding="utf-8"))
