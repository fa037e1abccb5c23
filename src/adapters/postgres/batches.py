"""What is over is removed in batches, so that no lock is held for long and two who remove do not wait for each other."""


def removal(table: str, key: str, over: str, returning: str = "1") -> str:
    """A statement that removes at most %(limit)s rows of `table` that are `over` and that nobody holds; it returns one for each.

    The array is made once. A subquery under IN may be run anew for each row, and its LIMIT then finds others each time.
    """
    return f"""
DELETE FROM {table} WHERE {key} = ANY(ARRAY(
    SELECT {key} FROM {table} WHERE {over} LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)) RETURNING {returning}
"""
