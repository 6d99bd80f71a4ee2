"""The partner API's signals: one, many at once, and what became of one."""
